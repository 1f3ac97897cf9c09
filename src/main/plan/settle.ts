import type { VirtualClock } from "#base/clock.ts";

/** Turns of the event loop in which everything that needs no time has come to rest. */
const TURNS = 20;
/** With nothing changed for so long, of virtual time, nothing will. Longer than any controller's or the scheduler's back-off. */
const CALM_MS = 15_000;

/** Lets a cluster on virtual time come to rest; `changes` counts what happens in it. */
export async function settle(clock: VirtualClock, changes: () => number): Promise<void> {
  let seen = -1;
  let since = clock.now();
  for (;;) {
    for (let turn = 0; turn < TURNS; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
    if (changes() !== seen) {
      seen = changes();
      since = clock.now();
      continue;
    }
    const next = clock.nextDeadline();
    if (next === undefined || next > since + CALM_MS) return;
    await clock.advance(Math.max(0, next - clock.now()));
  }
}
