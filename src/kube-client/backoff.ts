import type { Random } from "#base/random.ts";

/** How delays grow: `initialMs`, times `factor` each time, at most `maxMs`, plus up to `jitter` of itself. */
export interface BackoffOptions {
  readonly initialMs: number;
  readonly maxMs: number;
  readonly factor?: number;
  /** 1: between the delay and twice the delay. */
  readonly jitter?: number;
}

export interface Backoff {
  /** The next delay in milliseconds; each call lengthens the one after. */
  next(): number;
  reset(): void;
}

/** An exponential back-off; `random` only matters when there is jitter. */
export function backoff(options: BackoffOptions, random: Random): Backoff {
  const { initialMs, maxMs, factor = 2, jitter = 0 } = options;
  let current = initialMs;
  return {
    next() {
      const delay = Math.min(current, maxMs);
      current = Math.min(current * factor, maxMs);
      return jitter > 0 ? delay * (1 + jitter * random.next()) : delay;
    },
    reset() {
      current = initialMs;
    },
  };
}
