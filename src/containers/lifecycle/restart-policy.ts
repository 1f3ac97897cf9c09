import type { RestartPolicy } from "../engine.ts";

/** Docker's back-off (moby, restartmanager): 100 ms, doubled at each restart up to a minute, reset by a run of ten seconds. */
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 60_000;
const RESETTING_RUN_MS = 10_000;

export interface RunSummary {
  readonly exitCode: number;
  /** How long it ran. */
  readonly ranMs: number;
  /** Restarts by the policy so far. */
  readonly restartCount: number;
  /** A user stopped or killed this run. */
  readonly stopped: boolean;
  /** The delay before the last restart; 0: there was none. */
  readonly lastDelayMs: number;
}

/** The delay before the next restart, in milliseconds; undefined: it stays down. */
export function nextRestart(policy: RestartPolicy, run: RunSummary): number | undefined {
  if (run.stopped || !wantsRestart(policy, run)) return undefined;
  const last = run.ranMs >= RESETTING_RUN_MS ? 0 : run.lastDelayMs;
  return last === 0 ? FIRST_DELAY_MS : Math.min(last * 2, LONGEST_DELAY_MS);
}

/**
 * Whether a container that was down before the engine opened is started now. "always" comes back even when a user had stopped
 * it; "unless-stopped" does not; "on-failure" was decided when it exited.
 */
export function startsAtOpen(policy: RestartPolicy, stopped: boolean): boolean {
  return policy.kind === "always" || (policy.kind === "unless-stopped" && !stopped);
}

function wantsRestart(policy: RestartPolicy, run: RunSummary): boolean {
  if (policy.kind === "on-failure")
    return run.exitCode !== 0 && (policy.maximumRetries === 0 || run.restartCount < policy.maximumRetries);
  return policy.kind !== "no";
}
