import type { LabelColumn } from "../../cluster/label-table.ts";

/** Sums what rows have by topology domain: the nodes that share their value of a label. Index 0 (nodes without the label) stays 0. */
export function sumByDomain(column: LabelColumn, rows: Int32Array, amounts: Int32Array): Float64Array {
  const sums = new Float64Array(column.size);
  const { values } = column;
  for (const row of rows) {
    const domain = values[row] ?? 0;
    if (domain !== 0) sums[domain] = (sums[domain] ?? 0) + (amounts[row] ?? 0);
  }
  return sums;
}

/** Adds the amounts of some rows to their domains. */
export function addToDomains(
  sums: Float64Array,
  column: LabelColumn,
  amounts: ReadonlyMap<number, number>,
  factor = 1,
): void {
  for (const [row, amount] of amounts) {
    const domain = column.values[row] ?? 0;
    if (domain !== 0) sums[domain] = (sums[domain] ?? 0) + amount * factor;
  }
}
