import { setImmediate as nextTurn } from "node:timers/promises";

/** Longest stretch of a loop over many objects; the pauses of all that runs in one turn add up. */
const STRETCH_MS = 10;
const LOOK_EVERY = 64;

/** For loops over many objects: await what it gives, if it gives something, so that others have their turn. */
export function turnTaker(): () => Promise<void> | undefined {
  let started = performance.now();
  let count = 0;
  return () => {
    if (++count % LOOK_EVERY !== 0 || performance.now() - started < STRETCH_MS) return undefined;
    return nextTurn().then(() => {
      started = performance.now();
    });
  };
}
