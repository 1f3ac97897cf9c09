import type { Clock } from "#base/clock.ts";

/** Answers kept for a while. Full, it forgets the one that was put in first. */
export interface ExpiringCache<T> {
  get(key: string): T | undefined;
  put(key: string, value: T, lifeMs: number): void;
}

const CAPACITY = 1000;

export function expiringCache<T>(clock: Clock): ExpiringCache<T> {
  const entries = new Map<string, { value: T; until: number }>();
  return {
    get(key) {
      const entry = entries.get(key);
      if (!entry || entry.until <= clock.now()) return undefined;
      return entry.value;
    },
    put(key, value, lifeMs) {
      entries.delete(key);
      entries.set(key, { value, until: clock.now() + lifeMs });
      const oldest = entries.size > CAPACITY ? entries.keys().next().value : undefined;
      if (oldest !== undefined) entries.delete(oldest);
    },
  };
}
