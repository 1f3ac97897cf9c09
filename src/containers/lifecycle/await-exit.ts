import type { Clock } from "#base/clock.ts";
import type { Entry } from "./entry.ts";

/** Waiting for a container to come to a state at one of its ends. */
export interface Waiting {
  /** True when the state was reached; false after `timeoutMs` (undefined: never). */
  within(clock: Clock, timeoutMs: number | undefined): Promise<boolean>;
  forget(): void;
}

/** Looks at each end of the container from now on, and at once. */
export function waitFor(entry: Entry, reached: () => boolean): Waiting {
  const done = Promise.withResolvers<true>();
  const look = (): void => {
    if (reached()) done.resolve(true);
  };
  const stop = entry.exits.on(look);
  look();
  return {
    async within(clock, timeoutMs) {
      if (timeoutMs === undefined) return done.promise;
      const late = Promise.withResolvers<false>();
      const cancel = clock.after(timeoutMs, () => late.resolve(false));
      try {
        return await Promise.race([done.promise, late.promise]);
      } finally {
        cancel();
      }
    },
    forget: stop,
  };
}
