/** Rows by their score: a row of the highest one is found, and a score changed, without looking at other rows. */
export interface ScoreBuckets {
  set(row: number, score: number): void;
  /** Of a row that is in it. */
  scoreOf(row: number): number;
  has(row: number): boolean;
  remove(row: number): void;
  readonly size: number;
  /** By row, for loops over many: where it is in its bucket (below 0: nowhere), and its score. */
  readonly places: Int32Array;
  readonly scores: Float64Array;
  /** A row of the highest score, each of several with the same chance; -1: there is none. */
  pick(random: () => number): number;
  /** Some rows, none with a lower score than one that is left out. */
  best(count: number): number[];
}

/** Makes it empty, for rows below `capacity`. */
export function scoreBuckets(capacity: number): ScoreBuckets {
  const buckets = new Map<number, number[]>();
  const scores = new Float64Array(capacity);
  /** Where a row is in its bucket; -1: nowhere. */
  const places = new Int32Array(capacity).fill(-1);
  let highest = Number.NEGATIVE_INFINITY;
  let size = 0;
  const remove = (row: number): void => {
    const place = places[row] ?? -1;
    if (place < 0) return;
    places[row] = -1;
    size--;
    const score = scores[row] ?? 0;
    const bucket = buckets.get(score) ?? [];
    const last = bucket.pop() ?? row;
    if (last !== row) {
      bucket[place] = last;
      places[last] = place;
    }
    if (bucket.length > 0) return;
    buckets.delete(score);
    if (score === highest) highest = Math.max(...buckets.keys());
  };
  return {
    places,
    scores,
    set(row, score) {
      if ((places[row] ?? -1) >= 0) {
        if (scores[row] === score) return;
        remove(row);
      }
      let bucket = buckets.get(score);
      if (!bucket) {
        bucket = [];
        buckets.set(score, bucket);
        if (score > highest) highest = score;
      }
      places[row] = bucket.push(row) - 1;
      scores[row] = score;
      size++;
    },
    scoreOf: (row) => scores[row] ?? 0,
    has: (row) => (places[row] ?? -1) >= 0,
    remove,
    get size() {
      return size;
    },
    pick(random) {
      const bucket = buckets.get(highest);
      return bucket?.[Math.floor(random() * bucket.length)] ?? -1;
    },
    best(count) {
      const found: number[] = [];
      const descending = size === 0 ? [] : Array.from(buckets.keys()).sort((a, b) => b - a);
      for (const score of descending) {
        found.push(...(buckets.get(score) ?? []).slice(0, count - found.length));
        if (found.length === count) break;
      }
      return found;
    },
  };
}
