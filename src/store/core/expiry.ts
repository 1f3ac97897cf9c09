import type { Clock } from "#base/clock.ts";
import type { KeyValue } from "../store.ts";

/** Removes short-lived keys when their time is up, unless they were written again. */
export interface Expiry {
  /** The key lives for `ttlMs` from `writtenAtMs` on; Infinity: for ever. */
  track(entry: KeyValue, ttlMs: number, writtenAtMs: number): void;
  close(): void;
}

interface Entry {
  readonly key: string;
  readonly modRevision: number;
  readonly dueMs: number;
}

/**
 * One queue per lifetime, so that the oldest entry is always first and one timer is enough.
 * Stale entries (the key was written again) are skipped when due and swept when they outnumber the live ones.
 */
export function expiry(
  clock: Clock,
  current: (key: string) => KeyValue | undefined,
  expire: (key: string, modRevision: number) => void,
): Expiry {
  const queues = new Map<number, Entry[]>();
  let cancel: (() => void) | undefined;
  let armedMs = Infinity;

  const isLive = (entry: Entry): boolean => current(entry.key)?.modRevision === entry.modRevision;
  const run = (): void => {
    armedMs = Infinity;
    const now = clock.now();
    for (const queue of queues.values()) {
      let due = 0;
      for (; due < queue.length && (queue[due]?.dueMs ?? Infinity) <= now; due++) {
        const entry = queue[due];
        if (entry && isLive(entry)) expire(entry.key, entry.modRevision);
      }
      queue.splice(0, due);
    }
    arm();
  };
  const arm = (): void => {
    let nextMs = Infinity;
    for (const queue of queues.values()) nextMs = Math.min(nextMs, queue[0]?.dueMs ?? Infinity);
    if (nextMs >= armedMs) return;
    cancel?.();
    armedMs = nextMs;
    cancel = clock.after(nextMs - clock.now(), run);
  };
  const sweep = (ttlMs: number, queue: Entry[]): Entry[] => {
    if (queue.length < 1024 || (queue.length & (queue.length - 1)) !== 0) return queue;
    const live = queue.filter(isLive);
    queues.set(ttlMs, live);
    return live;
  };

  return {
    track(entry, ttlMs, writtenAtMs) {
      if (!Number.isFinite(ttlMs)) return;
      const queue = sweep(ttlMs, queues.get(ttlMs) ?? []);
      queue.push({ key: entry.key, modRevision: entry.modRevision, dueMs: writtenAtMs + ttlMs });
      queues.set(ttlMs, queue);
      arm();
    },
    close() {
      cancel?.();
      queues.clear();
    },
  };
}
