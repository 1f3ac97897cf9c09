import type { Clock } from "#base/clock.ts";
import type { Health } from "../engine.ts";
import { afterProbe, probeDelay, type HealthPlan, type ProbeResult } from "./health.ts";

/** What a monitor needs of its container. */
export interface Monitored {
  readonly plan: HealthPlan;
  readonly startedAt: number;
  health(): Health;
  /** Runs the check; never rejects. `signal` aborts when the monitor is stopped. */
  probe(signal: AbortSignal): Promise<ProbeResult>;
  changed(health: Health): void;
}

/** Probes until it is stopped, one probe at a time; a probe under way is aborted then, and its result dropped. */
export function monitorHealth(container: Monitored, clock: Clock): () => void {
  const stopping = new AbortController();
  let cancel: (() => void) | undefined;
  const schedule = (): void => {
    const delay = probeDelay(container.health(), container.plan, container.startedAt, clock.now());
    cancel = clock.after(delay, () => void run());
  };
  const run = async (): Promise<void> => {
    const result = await container.probe(stopping.signal);
    if (stopping.signal.aborted) return;
    container.changed(afterProbe(container.health(), result, container.plan, container.startedAt));
    schedule();
  };
  schedule();
  return () => {
    stopping.abort();
    cancel?.();
  };
}
