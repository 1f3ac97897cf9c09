/** What a full queue does with one more item. */
export type Brim = "drop-oldest" | "close";

/** A single-consumer queue with a capacity, read as an async iterable. */
export interface BoundedQueue<T> extends AsyncIterable<T> {
  /** Adds an item; false when the queue is closed (by the brim, or by `close`). */
  push(item: T): boolean;
  /** Ends the iteration after what is queued, or at once with `error`. */
  close(error?: Error): void;
  readonly closed: boolean;
  readonly length: number;
}

/**
 * A queue of at most `capacity` items. At the brim it drops the oldest item, or closes with `brimError`
 * so that a slow consumer learns that it missed something.
 */
export function boundedQueue<T>(capacity: number, brim: Brim, brimError?: () => Error): BoundedQueue<T> {
  const items: T[] = [];
  let head = 0;
  let closed = false;
  let failure: Error | undefined;
  let wake: (() => void) | undefined;
  const length = (): number => items.length - head;
  const take = (): T | undefined => {
    const item = items[head++];
    if (head > 1024 && head * 2 > items.length) {
      items.splice(0, head);
      head = 0;
    }
    return item;
  };
  const queue: BoundedQueue<T> = {
    get closed() {
      return closed;
    },
    get length() {
      return length();
    },
    push(item) {
      if (closed) return false;
      if (length() >= capacity) {
        if (brim === "close") {
          queue.close(brimError?.());
          return false;
        }
        take();
      }
      items.push(item);
      wake?.();
      return true;
    },
    close(error) {
      if (closed) return;
      closed = true;
      failure = error;
      if (error) items.length = head = 0;
      wake?.();
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        while (length() > 0) yield take() as T;
        if (closed) break;
        await new Promise<void>((resolve) => (wake = resolve));
        wake = undefined;
      }
      if (failure) throw failure;
    },
  };
  return queue;
}
