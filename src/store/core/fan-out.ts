import type { StoreEvent, Watch } from "../store.ts";

type Listener = (events: readonly StoreEvent[]) => void;

/** Nothing may be published before a backlog that is still to come. */
type Backlog = readonly StoreEvent[] | Promise<readonly StoreEvent[]>;

interface Watcher {
  /** Events up to here were delivered, or are not wanted. */
  since: number;
  closed: boolean;
  readonly onEvents: Listener;
}

/**
 * Hands batches of changes to whoever watches a prefix of their keys. Watchers of one prefix get the same array,
 * so that what one computes from it (an encoding) the others can share.
 */
export interface FanOut {
  /** Subscribes to what comes after `since`; `backlog` (events up to now, after `since`) is delivered first, soon, or once it is here. */
  add(prefix: string, since: number, now: number, backlog: Backlog, onEvents: Listener): Watch;
  /** Queues changes; all queued in one turn of the event loop are delivered as one batch. */
  publish(events: readonly StoreEvent[]): void;
  close(): void;
}

/** `onError` gets what a listener throws: one bad listener does not stop the others. */
export function fanOut(onError: (error: unknown) => void): FanOut {
  const byPrefix = new Map<string, Set<Watcher>>();
  let queued: StoreEvent[] = [];
  let scheduled = false;

  const call = (watcher: Watcher, events: readonly StoreEvent[]): void => {
    if (watcher.closed || events.length === 0) return;
    try {
      watcher.onEvents(events);
    } catch (error) {
      onError(error);
    }
  };
  const deliver = (watcher: Watcher, events: readonly StoreEvent[]): void => {
    const first = events[0]?.revision ?? 0;
    const wanted = first > watcher.since ? events : events.filter((event) => event.revision > watcher.since);
    watcher.since = Math.max(watcher.since, events.at(-1)?.revision ?? 0);
    call(watcher, wanted);
  };
  const flush = (): void => {
    scheduled = false;
    const batch = queued;
    queued = [];
    for (const [prefix, watchers] of Array.from(byPrefix)) {
      const matching = batch.filter((event) => event.key.startsWith(prefix));
      if (matching.length === 0) continue;
      for (const watcher of Array.from(watchers)) deliver(watcher, matching);
    }
  };

  return {
    add(prefix, since, now, backlog, onEvents) {
      const watcher: Watcher = { since: Math.max(since, now), closed: false, onEvents };
      const watchers = byPrefix.get(prefix) ?? new Set();
      byPrefix.set(prefix, watchers.add(watcher));
      // The backlog goes out before any later batch: microtasks run before the next turn's flush.
      if (backlog instanceof Promise) backlog.then((events) => call(watcher, events), onError);
      else if (backlog.length > 0) queueMicrotask(() => call(watcher, backlog));
      return {
        close() {
          watcher.closed = true;
          watchers.delete(watcher);
          if (watchers.size === 0 && byPrefix.get(prefix) === watchers) byPrefix.delete(prefix);
        },
      };
    },
    publish(events) {
      queued.push(...events);
      if (scheduled) return;
      scheduled = true;
      setImmediate(flush);
    },
    close() {
      for (const watchers of byPrefix.values()) for (const watcher of watchers) watcher.closed = true;
      byPrefix.clear();
      queued = [];
    },
  };
}
