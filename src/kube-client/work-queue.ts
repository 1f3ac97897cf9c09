import type { Clock } from "#base/clock.ts";
import type { QueueMetrics } from "./queue-metrics.ts";

/** A queue of keys: each at most once, each processed by at most one worker at a time (client-go's workqueue). */
export interface WorkQueue {
  /** Queues `key` now; a key that is being processed is queued again when it is done. False at the brim or when shut down. */
  add(key: string): boolean;
  /** Queues `key` after `delayMs`; of several delays of one key the earliest holds. */
  addAfter(key: string, delayMs: number): void;
  /** Queues `key` after its own back-off, which doubles until `forget`. */
  addRateLimited(key: string): void;
  /** Ends the back-off of `key`. */
  forget(key: string): void;
  /** How often `key` was rate limited since it was last forgotten. */
  failures(key: string): number;
  /** The next key; undefined once shut down and drained of nothing more. Call `done` with it afterwards. */
  take(): Promise<string | undefined>;
  done(key: string): void;
  /** Drops what is queued and delayed and ends every `take`. */
  shutDown(): void;
  /** Keys queued, processed, or delayed. */
  readonly size: number;
  /** True when nothing is queued or being processed (delayed keys do not count). */
  readonly idle: boolean;
}

export interface WorkQueueOptions {
  readonly clock: Clock;
  /** First back-off of a failing key. */
  readonly baseDelayMs?: number;
  /** Longest back-off of a failing key. */
  readonly maxDelayMs?: number;
  /** Most keys at once; at the brim `add` refuses and `onBrim` is called once the queue has run empty. */
  readonly capacity?: number;
  readonly onBrim?: () => void;
  readonly metrics?: QueueMetrics | undefined;
}

/** A work queue with per-key exponential back-off: 5 ms doubling to 1000 s, as kube-controller-manager's. */
export function workQueue(options: WorkQueueOptions): WorkQueue {
  const { clock, metrics, baseDelayMs = 5, maxDelayMs = 1_000_000, capacity = 1_000_000 } = options;
  const ready = new Set<string>();
  const processing = new Set<string>();
  /** Keys added while they were processed. */
  const dirty = new Set<string>();
  const delayed = delayedKeys(clock, (key) => queue.add(key));
  const failures = new Map<string, number>();
  const waiting: ((key: string | undefined) => void)[] = [];
  let brimmed = false;
  let stopped = false;

  const handOut = (key: string): string => {
    ready.delete(key);
    processing.add(key);
    metrics?.taken(key);
    return key;
  };
  const refuse = (): false => {
    brimmed = true;
    return false;
  };

  const queue: WorkQueue = {
    get size() {
      return ready.size + processing.size + delayed.size;
    },
    get idle() {
      return ready.size + processing.size === 0;
    },
    add(key) {
      if (stopped) return false;
      if (processing.has(key)) {
        dirty.add(key);
        return true;
      }
      if (ready.has(key)) return true;
      if (ready.size + processing.size >= capacity) return refuse();
      ready.add(key);
      metrics?.added(key);
      waiting.shift()?.(handOut(key));
      return true;
    },
    addAfter(key, delayMs) {
      if (stopped) return;
      if (delayMs <= 0) queue.add(key);
      else if (!delayed.set(key, delayMs, capacity)) refuse();
    },
    addRateLimited(key) {
      const count = failures.get(key) ?? 0;
      failures.set(key, count + 1);
      metrics?.retried();
      queue.addAfter(key, Math.min(baseDelayMs * 2 ** Math.min(count, 40), maxDelayMs));
    },
    forget: (key) => void failures.delete(key),
    failures: (key) => failures.get(key) ?? 0,
    take() {
      if (stopped) return Promise.resolve(undefined);
      for (const key of ready) return Promise.resolve(handOut(key));
      return new Promise((resolve) => waiting.push(resolve));
    },
    done(key) {
      processing.delete(key);
      metrics?.done(key);
      if (dirty.delete(key)) queue.add(key);
      if (brimmed && queue.idle) {
        brimmed = false;
        options.onBrim?.();
      }
    },
    shutDown() {
      stopped = true;
      ready.clear();
      dirty.clear();
      failures.clear();
      delayed.clear();
      for (const resolve of waiting.splice(0)) resolve(undefined);
    },
  };
  return queue;
}

interface DelayedKeys {
  /** False when `capacity` keys are delayed already. */
  set(key: string, delayMs: number, capacity: number): boolean;
  clear(): void;
  readonly size: number;
}

/** Keys with a timer each; an earlier deadline replaces a later one. */
function delayedKeys(clock: Clock, due: (key: string) => void): DelayedKeys {
  const timers = new Map<string, { at: number; cancel: () => void }>();
  return {
    get size() {
      return timers.size;
    },
    set(key, delayMs, capacity) {
      const at = clock.now() + delayMs;
      const known = timers.get(key);
      if (known && known.at <= at) return true;
      if (!known && timers.size >= capacity) return false;
      known?.cancel();
      const cancel = clock.after(delayMs, () => {
        timers.delete(key);
        due(key);
      });
      timers.set(key, { at, cancel });
      return true;
    },
    clear() {
      for (const { cancel } of timers.values()) cancel();
      timers.clear();
    },
  };
}
