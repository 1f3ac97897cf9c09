import type { VirtualClock } from "../../../src/base/clock.ts";

/** Rounds of the event loop in which everything that needs no time has come to rest. */
const SETTLE_ROUNDS = 20;

/** Lets everything that needs no time happen. */
export async function settle(rounds = SETTLE_ROUNDS): Promise<void> {
  for (let round = 0; round < rounds; round++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** Moves time from deadline to deadline until `check` holds; fails after `limitMs` of virtual time. */
export async function advanceUntil(
  clock: VirtualClock,
  what: string,
  check: () => boolean,
  limitMs = 3_600_000,
): Promise<void> {
  const end = clock.now() + limitMs;
  for (;;) {
    await settle();
    if (check()) return;
    const next = clock.nextDeadline();
    if (next === undefined || next > end) throw new Error(`virtual time: ${what} did not come about in ${limitMs} ms`);
    await clock.advance(Math.max(0, next - clock.now()));
  }
}
