/** Ends pods before the node runs out of memory, disk or processes, and tells of the pressure. */
import type { Clock } from "#base/clock.ts";
import { errorText } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import type { EventRecorder } from "#kube-client/events.ts";
import type { Pod } from "#formats/kube-types.generated.ts";
import type { PodFailure } from "../pods/status-inputs.ts";
import { evictionMessage, evictionOrder, type PodStanding } from "./ranking.ts";
import {
  isMet,
  pressureOf,
  resourceOf,
  type EvictionConfig,
  type Pressure,
  type Readings,
  type Threshold,
} from "../eviction-thresholds.ts";

export interface EvictorDeps {
  readonly config: EvictionConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: Pick<EventRecorder, "record">;
  readings(): Promise<Readings>;
  /** Pods that run here, with what each uses of a resource. */
  standings(resource: string): Promise<readonly PodStanding[]>;
  evict(pod: Pod, failure: PodFailure & { readonly graceSeconds: number }): void;
  /** Something of an evicted pod still runs. */
  isEnding(uid: string): boolean;
  /** Frees disk space that nobody needs; true when there was some. */
  reclaimDisk(): Promise<boolean>;
  /** The pressures are others now. */
  onPressures(pressures: ReadonlySet<Pressure>): void;
}

/** The kubelet's housekeeping interval: the kernel tells nobody that something runs short, so it is looked at. */
const INTERVAL_MS = 10_000;
/** The next pod waits for the end of the one before, but no longer. */
const LONGEST_WAIT_MS = 30_000;
/** A hard threshold does not wait for anybody's grace. */
const HARD_GRACE_SECONDS = 1;

export function startEvictor(deps: EvictorDeps): { close(): void } {
  const { clock, config, logger } = deps;
  const since = new Map<Threshold, number>();
  const lastMet = new Map<Pressure, number>();
  let told: ReadonlySet<Pressure> = new Set();
  let waitingFor: { uid: string; until: number } | undefined;
  let closed = false;
  let cancel: () => void = () => undefined;

  const tell = (now: number): void => {
    const pressures = new Set(
      Array.from(lastMet).flatMap(([pressure, at]) => (now - at < config.transitionMs || at === now ? [pressure] : [])),
    );
    if (pressures.size === told.size && [...pressures].every((pressure) => told.has(pressure))) return;
    told = pressures;
    deps.onPressures(pressures);
  };
  const look = async (): Promise<void> => {
    const readings = await deps.readings();
    if (closed) return;
    const now = clock.now();
    for (const threshold of config.thresholds) {
      if (!isMet(threshold, readings)) since.delete(threshold);
      else if (!since.has(threshold)) since.set(threshold, now);
      if (since.has(threshold)) lastMet.set(pressureOf(threshold), now);
    }
    tell(now);
    const due = config.thresholds.find((threshold) => now - (since.get(threshold) ?? Infinity) >= threshold.graceMs);
    if (due && !isWaiting(now)) await relieve(due, readings);
  };
  const isWaiting = (now: number): boolean =>
    waitingFor !== undefined && waitingFor.until > now && deps.isEnding(waitingFor.uid);
  /** At most one pod at a time: its end may be enough. */
  const relieve = async (threshold: Threshold, readings: Readings): Promise<void> => {
    const resource = resourceOf(threshold);
    if (pressureOf(threshold) === "DiskPressure" && (await deps.reclaimDisk())) return;
    const [first] = evictionOrder(await deps.standings(resource), resource);
    if (!first || closed) return;
    const available = readings[threshold.signal]?.available ?? 0;
    const message = evictionMessage(first, resource, { text: threshold.text, available });
    const own = first.pod.spec?.terminationGracePeriodSeconds ?? 30;
    const graceSeconds = threshold.graceMs === 0 ? HARD_GRACE_SECONDS : Math.min(own, config.maxPodGraceSeconds);
    deps.events.record(first.pod, "Warning", "Evicted", message);
    deps.evict(first.pod, { reason: "Evicted", message, graceSeconds, isDisruption: true });
    waitingFor = { uid: first.pod.metadata.uid ?? "", until: clock.now() + LONGEST_WAIT_MS };
  };
  const again = (): void => {
    if (closed) return;
    cancel = clock.after(INTERVAL_MS, () => {
      look()
        .catch((error: unknown) => logger.warn({ error: errorText(error) }, "the node's resources could not be read"))
        .finally(again);
    });
  };
  again();
  return {
    close() {
      closed = true;
      cancel();
    },
  };
}
