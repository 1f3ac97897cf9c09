/** Restart delays of the kubelet: none for the first restart, then 10 s doubling to 5 minutes; forgotten after 10 minutes up. */
const INITIAL_MS = 10_000;
const LONGEST_MS = 300_000;
const RESET_AFTER_MS = 600_000;

export interface CrashBackoff {
  /** Milliseconds between the end of a run and the start of the next, which is number `restartCount`. */
  delayMs(name: string, restartCount: number): number;
  /** Tells of a run that ended: a long one starts the count again. */
  ran(name: string, restartCount: number, durationMs: number): void;
}

/** Keeps one number for each container that once ran for long. */
export function crashBackoff(): CrashBackoff {
  const countedFrom = new Map<string, number>();
  return {
    delayMs(name, restartCount) {
      const crashes = restartCount - (countedFrom.get(name) ?? 0);
      return crashes <= 1 ? 0 : Math.min(LONGEST_MS, INITIAL_MS * 2 ** (crashes - 2));
    },
    ran(name, restartCount, durationMs) {
      if (durationMs >= RESET_AFTER_MS) countedFrom.set(name, restartCount);
    },
  };
}
