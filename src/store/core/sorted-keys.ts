/** An ordered set of keys, for prefix ranges. Chunks of bounded length keep inserts cheap at 100,000 keys. */
export interface SortedKeys {
  readonly size: number;
  add(key: string): void;
  delete(key: string): void;
  /** Keys that start with `prefix` and sort after `after`, in order. */
  scan(prefix: string, after?: string): Generator<string>;
  /** How many keys `scan` would give. */
  count(prefix: string, after?: string): number;
}

const CHUNK_KEYS = 512;

/** Keys compare by UTF-16 code unit, which for ASCII (all that the store takes) is byte order. */
export function sortedKeys(): SortedKeys {
  const chunks: string[][] = [[]];
  let size = 0;

  const chunkOf = (key: string): number => {
    let low = 0;
    let high = chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((chunks[middle]?.[0] ?? "") <= key) low = middle;
      else high = middle - 1;
    }
    return low;
  };
  const locate = (key: string): { at: number; chunk: string[]; index: number } => {
    const at = chunkOf(key);
    const chunk = chunks[at] ?? [];
    return { at, chunk, index: lowerBound(chunk, key) };
  };
  const start = (prefix: string, after?: string): { at: number; index: number } => {
    const exclusive = after !== undefined && after >= prefix;
    const { at, chunk, index } = locate(exclusive ? after : prefix);
    return { at, index: exclusive && chunk[index] === after ? index + 1 : index };
  };

  return {
    get size() {
      return size;
    },
    add(key) {
      const { at, chunk, index } = locate(key);
      if (chunk[index] === key) return;
      chunk.splice(index, 0, key);
      size++;
      if (chunk.length > CHUNK_KEYS) chunks.splice(at + 1, 0, chunk.splice(CHUNK_KEYS >> 1));
    },
    delete(key) {
      const { at, chunk, index } = locate(key);
      if (chunk[index] !== key) return;
      chunk.splice(index, 1);
      size--;
      if (chunk.length === 0 && chunks.length > 1) chunks.splice(at, 1);
    },
    *scan(prefix, after) {
      let { at, index } = start(prefix, after);
      for (; at < chunks.length; at++, index = 0) {
        const chunk = chunks[at] ?? [];
        for (; index < chunk.length; index++) {
          const key = chunk[index] ?? "";
          if (!key.startsWith(prefix)) return;
          yield key;
        }
      }
    },
    count(prefix, after) {
      const from = start(prefix, after);
      // The first key past every key with this prefix: U+FFFF sorts after all ASCII.
      const to = locate(`${prefix}\uffff`);
      if (from.at === to.at) return Math.max(0, to.index - from.index);
      if (from.at > to.at) return 0;
      let total = (chunks[from.at]?.length ?? 0) - from.index + to.index;
      for (let at = from.at + 1; at < to.at; at++) total += chunks[at]?.length ?? 0;
      return total;
    },
  };
}

function lowerBound(sorted: readonly string[], key: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? "") < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
