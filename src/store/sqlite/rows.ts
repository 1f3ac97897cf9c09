/**
 * Rows as they travel between the store and its worker thread: strings in one array, numbers in another, all values
 * in one buffer, so that a batch costs one transfer, however many rows it has.
 */
export interface Row {
  readonly key: string;
  /** undefined: deleted (a write), or absent before (history). */
  readonly value: Uint8Array | undefined;
  readonly createRevision: number;
  readonly modRevision: number;
  /** Lifetime in milliseconds; -1: for ever, though short-lived; undefined: a lasting key. */
  readonly ttlMs: number | undefined;
  /** When a short-lived key was written, in epoch milliseconds; of history rows: the revision of the change. */
  readonly stamp: number;
}

export interface PackedRows {
  readonly keys: readonly string[];
  readonly numbers: Float64Array;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const NUMBERS_PER_ROW = 5;
const ABSENT = -2;

/** Packs rows; the result's `bytes.buffer` may be transferred. */
export function packRows(rows: readonly Row[]): PackedRows {
  const numbers = new Float64Array(rows.length * NUMBERS_PER_ROW);
  const bytes = new Uint8Array(rows.reduce((total, row) => total + (row.value?.byteLength ?? 0), 0));
  let offset = 0;
  let at = 0;
  for (const { value, createRevision, modRevision, ttlMs, stamp } of rows) {
    numbers[at] = value?.byteLength ?? ABSENT;
    numbers[at + 1] = createRevision;
    numbers[at + 2] = modRevision;
    numbers[at + 3] = ttlMs ?? ABSENT;
    numbers[at + 4] = stamp;
    at += NUMBERS_PER_ROW;
    if (!value) continue;
    bytes.set(value, offset);
    offset += value.byteLength;
  }
  return { keys: rows.map((row) => row.key), numbers, bytes };
}

/** The rows again; values are views into `bytes`. */
export function unpackRows({ keys, numbers, bytes }: PackedRows): Row[] {
  let offset = 0;
  return keys.map((key, index) => {
    const at = index * NUMBERS_PER_ROW;
    const number = (column: number): number => numbers[at + column] ?? ABSENT;
    const length = number(0);
    const ttlMs = number(3);
    const value = length === ABSENT ? undefined : Buffer.from(bytes.buffer, bytes.byteOffset + offset, length);
    if (value) offset += length;
    return {
      key,
      value,
      createRevision: number(1),
      modRevision: number(2),
      ttlMs: ttlMs === ABSENT ? undefined : ttlMs,
      stamp: number(4),
    };
  });
}
