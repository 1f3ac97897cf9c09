/** A binary heap that can also remove from its middle. An item is in it at most once. */
export interface Heap<T> {
  readonly size: number;
  push(item: T): void;
  peek(): T | undefined;
  pop(): T | undefined;
  /** False when it was not there. */
  remove(item: T): boolean;
  has(item: T): boolean;
  values(): Iterable<T>;
}

/** `before(a, b)`: a comes out first. */
export function heap<T>(before: (a: T, b: T) => boolean): Heap<T> {
  const items: T[] = [];
  const places = new Map<T, number>();
  const put = (item: T, place: number): void => {
    items[place] = item;
    places.set(item, place);
  };
  const up = (item: T, from: number): void => {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = items[parent] as T;
      if (!before(item, above)) break;
      put(above, place);
      place = parent;
    }
    put(item, place);
  };
  const down = (item: T, from: number): void => {
    let place = from;
    for (;;) {
      let child = place * 2 + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && before(items[child + 1] as T, items[child] as T)) child++;
      const below = items[child] as T;
      if (!before(below, item)) break;
      put(below, place);
      place = child;
    }
    put(item, place);
  };
  const removeAt = (place: number): T => {
    const removed = items[place] as T;
    places.delete(removed);
    const last = items.pop() as T;
    if (place < items.length) {
      down(last, place);
      up(last, places.get(last) ?? place);
    }
    return removed;
  };
  return {
    get size() {
      return items.length;
    },
    push(item) {
      items.push(item);
      up(item, items.length - 1);
    },
    peek: () => items[0],
    pop: () => (items.length > 0 ? removeAt(0) : undefined),
    remove(item) {
      const place = places.get(item);
      if (place === undefined) return false;
      removeAt(place);
      return true;
    },
    has: (item) => places.has(item),
    values: () => items,
  };
}
