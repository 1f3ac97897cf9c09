import type { StoreEvent } from "../store.ts";

/** The most recent changes in revision order, bounded by count and by bytes of superseded values. */
export interface History {
  readonly length: number;
  append(event: StoreEvent): void;
  /** Takes what was kept before, oldest first, whole: what is beyond the limits goes with the next event. */
  load(kept: readonly StoreEvent[]): void;
  /** Events with a revision above `revision`, oldest first. */
  after(revision: number): StoreEvent[];
  /** Drops events up to `revision`. */
  compact(revision: number): void;
  /** Every event, oldest first. */
  all(): readonly StoreEvent[];
}

export interface HistoryLimits {
  readonly events: number;
  readonly bytes: number;
}

/** At the brim the oldest events go; `onDrop` learns of each, to move its floor. */
export function boundedHistory(limits: HistoryLimits, onDrop: (event: StoreEvent) => void): History {
  let events: StoreEvent[] = [];
  let head = 0;
  let bytes = 0;

  const drop = (): void => {
    const event = events[head++];
    if (!event) return;
    bytes -= sizeOf(event);
    onDrop(event);
    if (head <= 1024 || head * 2 <= events.length) return;
    events = events.slice(head);
    head = 0;
  };
  const indexAfter = (revision: number): number => {
    let low = head;
    let high = events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((events[middle]?.revision ?? 0) <= revision) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  return {
    get length() {
      return events.length - head;
    },
    append(event) {
      events.push(event);
      bytes += sizeOf(event);
      while (events.length - head > limits.events || (bytes > limits.bytes && events.length > head)) drop();
    },
    load(kept) {
      events = [...kept, ...events.slice(head)];
      head = 0;
      for (const event of kept) bytes += sizeOf(event);
    },
    after: (revision) => events.slice(indexAfter(revision)),
    compact(revision) {
      while (head < events.length && (events[head]?.revision ?? Infinity) <= revision) drop();
    },
    all: () => events.slice(head),
  };
}

/** Only the superseded value is held by the event alone; the current one is shared with the key's present state. */
function sizeOf(event: StoreEvent): number {
  return 128 + event.key.length + (event.previous?.value.byteLength ?? 0);
}
