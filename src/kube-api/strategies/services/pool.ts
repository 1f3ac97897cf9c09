import type { Random } from "#base/random.ts";

/** Numbers that are given out at most once: addresses of a range, or ports. */
export interface Pool {
  readonly low: number;
  readonly high: number;
  /** False when someone has it, or it is outside the range. */
  take(value: number): boolean;
  /** A free one, at random from the upper part, so that the lower stays for who asks by name; undefined when none is left. */
  takeAny(): number | undefined;
  release(value: number): void;
  has(value: number): boolean;
  /** Whether the value is one that the pool may give out. */
  covers(value: number): boolean;
}

/** Numbers from `low` to `high`, both included; `reserved` ones at the bottom are given by chance only when the rest is gone. */
export function pool(low: number, high: number, reserved: number, random: Random): Pool {
  const taken = new Set<number>();
  const probe = (from: number, to: number): number | undefined => {
    const size = to - from + 1;
    if (size <= 0) return undefined;
    const start = Math.floor(random.next() * size);
    for (let step = 0; step < size; step++) {
      const value = from + ((start + step) % size);
      if (!taken.has(value)) return value;
    }
    return undefined;
  };
  return {
    low,
    high,
    take(value) {
      if (value < low || value > high || taken.has(value)) return false;
      taken.add(value);
      return true;
    },
    takeAny() {
      const value = probe(low + reserved, high) ?? probe(low, low + reserved - 1);
      if (value !== undefined) taken.add(value);
      return value;
    },
    release: (value) => void taken.delete(value),
    has: (value) => taken.has(value),
    covers: (value) => value >= low && value <= high,
  };
}
