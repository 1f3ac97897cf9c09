import type { Clock } from "#base/clock.ts";
import type { Logger } from "#base/logger.ts";
import type { Random } from "#base/random.ts";
import type { Store } from "#store/store.ts";
import type { Admission } from "./admission/admission.ts";
import type { Authorizer } from "./auth/authorizer.ts";
import type { Rbac } from "./auth/rbac.ts";
import type { Tokens } from "./auth/tokens.ts";
import type { ResourceTable } from "./resources/table.ts";
import type { SchedulingSource } from "./scheduling-source.ts";
import type { Strategies } from "./strategies/strategy.ts";

/** What the verbs work on. */
export interface Api {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly resources: ResourceTable;
  readonly strategies: Strategies;
  readonly admission: Admission;
  /** Answers access reviews; the verbs' own callers are authorized in `service.ts`. */
  readonly authorizer: Authorizer;
  readonly rbac: Rbac;
  readonly tokens: Tokens;
  /** What explains where pods are, once it is there. */
  readonly scheduling: { source: SchedulingSource | undefined };
}
