/** Time as a parameter, so that whole-cluster tests run on a virtual clock. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Calls `run` once after `delayMs`; the result cancels it. A timer is for a deadline, not for looking. */
  after(delayMs: number, run: () => void): () => void;
}

/** The longest delay that setTimeout takes, in milliseconds. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/** The machine's own time. Timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, Math.min(Math.max(0, delayMs), LONGEST_TIMEOUT_MS));
    timer.unref();
    return () => clearTimeout(timer);
  },
};

export interface VirtualClock extends Clock {
  /** Moves time on by `ms`, running what falls due in order, with microtasks in between. */
  advance(ms: number): Promise<void>;
  /** When the next timer falls due, in epoch milliseconds; undefined when none is set. */
  nextDeadline(): number | undefined;
}

/** A clock that stands still until it is moved; starts at `startMs`. */
export function virtualClock(startMs = Date.UTC(2026, 0, 1)): VirtualClock {
  let now = startMs;
  let sequence = 0;
  const timers = new Map<number, { at: number; run: () => void }>();
  const next = (): [number, { at: number; run: () => void }] | undefined => {
    let best: [number, { at: number; run: () => void }] | undefined;
    for (const entry of timers) if (!best || entry[1].at < best[1].at) best = entry;
    return best;
  };
  return {
    now: () => now,
    after(delayMs, run) {
      const id = sequence++;
      timers.set(id, { at: now + Math.max(0, delayMs), run });
      return () => timers.delete(id);
    },
    nextDeadline: () => next()?.[1].at,
    async advance(ms) {
      const end = now + ms;
      for (let due = next(); due && due[1].at <= end; due = next()) {
        timers.delete(due[0]);
        now = due[1].at;
        due[1].run();
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
      now = end;
    },
  };
}
