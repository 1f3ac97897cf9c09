import type { Clock } from "#base/clock.ts";
import { errorText } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import type { Random } from "#base/random.ts";
import type { KeyedSerial } from "#base/serial.ts";
import type { OciSeccomp } from "#formats/oci-spec.ts";
import type { ImageStore } from "#images/image-store.ts";
import type { Shim } from "#linux/shim.ts";
import type { Networks } from "#network/networks.ts";
import type { ExecConfig } from "../engine.ts";
import type { EventLog } from "../events/event-log.ts";
import type { HealthPlan, ProbeResult } from "../health/health.ts";
import type { VolumeStore } from "../volumes/volume-store.ts";
import type { Entry } from "./entry.ts";
import type { Places } from "./places.ts";
import type { Registry } from "./registry.ts";

/** What the engine's verbs stand on. */
export interface EngineContext {
  readonly places: Places;
  readonly registry: Registry;
  /** One verb at a time for each container. */
  readonly serial: KeyedSerial;
  readonly images: ImageStore;
  readonly networks: Networks;
  readonly volumes: VolumeStore;
  readonly events: EventLog;
  readonly shims: Shims;
  /** Docker's default profile for a set of capabilities. */
  readonly defaultSeccomp: (capabilities: readonly string[]) => OciSeccomp;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly phase: Phase;
  /** Resolves when all that an earlier engine left has been taken up. */
  readonly opened: PromiseWithResolvers<void>;
  /** What the engine does for execs of a container that starts, ends or is adopted. */
  readonly execs: ExecHooks;
  /** Runs a health check; never rejects. */
  readonly probe: (entry: Entry, plan: HealthPlan, signal: AbortSignal) => Promise<ProbeResult>;
}

/** Makes and finds shims. */
export interface Shims {
  start(directory: string): Promise<Shim>;
  /** Throws when nothing answers there. */
  connect(directory: string): Promise<Shim>;
}

/** "stopping": what ends now was not stopped by hand, and is not restarted. "closed": no timer acts any more. */
export interface Phase {
  current: "running" | "stopping" | "closed";
}

export interface ExecHooks {
  /** An exec of the container has ended. */
  ended(entry: Entry, execId: string, code: number): void;
  /** An exec that an earlier engine started runs, or has ended meanwhile. */
  adopt(execId: string, entry: Entry, config: ExecConfig, pid: number): void;
  /** The container is gone: so are its execs. */
  forget(entry: Entry): void;
}

/** Records an event of a container, with Docker's attributes: its labels, image and name (moby, daemon/events). */
export function containerEvent(
  { events }: Pick<EngineContext, "events">,
  { record }: Entry,
  action: string,
  attributes: Readonly<Record<string, string>> = {},
): void {
  events.record({
    type: "container",
    action,
    actorId: record.id,
    attributes: {
      ...attributes,
      ...record.config.labels,
      ...(record.config.image !== "" && { image: record.config.image }),
      name: record.name,
    },
  });
}

/** Runs what must not stop the rest: its failure is logged. */
export async function attempt(
  { logger }: Pick<EngineContext, "logger">,
  what: string,
  id: string,
  task: () => unknown,
): Promise<void> {
  try {
    await task();
  } catch (error) {
    logger.warn({ container: id, error: errorText(error) }, `${what} failed`);
  }
}
