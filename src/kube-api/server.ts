import { systemClock, type Clock } from "#base/clock.ts";
import { silentLogger, type Logger } from "#base/logger.ts";
import { systemRandom, type Random } from "#base/random.ts";
import type { Store } from "#store/store.ts";
import { admissionChain } from "./admission/admission.ts";
import type { Api } from "./api.ts";
import { mastersFirst, type Authorizer } from "./auth/authorizer.ts";
import type { LocalServer } from "./local-client.ts";
import { resourceTable } from "./resources/table.ts";
import { apiService } from "./service.ts";
import { builtInStrategies } from "./strategies/built-in.ts";

export interface ApiServerOptions {
  readonly store: Store;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly logger?: Logger;
}

export interface ApiServer extends LocalServer {
  readonly api: Api;
  /** Makes what a cluster has from the start. */
  start(): Promise<void>;
  close(): Promise<void>;
}

const deny: Authorizer = { authorize: () => ({ allowed: false, reason: "" }) };

/** An API server over a store. It serves nothing until `start`. */
export function createApiServer(options: ApiServerOptions): ApiServer {
  const resources = resourceTable();
  const api: Api = {
    store: options.store,
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    logger: options.logger ?? silentLogger,
    resources,
    strategies: builtInStrategies({}),
    admission: admissionChain([]),
  };
  const service = apiService(api, mastersFirst(deny));
  return {
    api,
    resources,
    service,
    async start() {},
    async close() {},
  };
}
