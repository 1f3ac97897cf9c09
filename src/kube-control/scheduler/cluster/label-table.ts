import type { Node } from "#formats/kube-types.generated.ts";
import { grownInts } from "./grow.ts";

/** One label key over all nodes. */
export interface LabelColumn {
  readonly key: string;
  /** By row: the number of the node's value; 0 when it does not have the label. */
  values: Int32Array;
  /** The number of a value; undefined when no node ever had it. */
  idOf(value: string): number | undefined;
  /** All numbers are below it. */
  readonly size: number;
  /** The value of a number. */
  valueOf(id: number): string | undefined;
}

/** Node labels by column, made for a key when something first asks for it. */
export interface LabelTable {
  column(key: string): LabelColumn;
  setRow(row: number, node: Node | undefined): void;
  grow(rows: number): void;
}

interface Column extends LabelColumn {
  set(row: number, value: string | undefined): void;
}

/** Columns kept at most; past that the oldest is dropped and made again when asked for. */
const MAX_COLUMNS = 512;

/** Makes an empty table. `nodes` gives the present nodes by row, to fill a new column. */
export function labelTable(rows: number, nodes: () => Iterable<[row: number, node: Node]>): LabelTable {
  const columns = new Map<string, Column>();
  let capacity = rows;
  return {
    column(key) {
      const known = columns.get(key);
      if (known) return known;
      const column = labelColumn(key, capacity);
      for (const [row, node] of nodes()) column.set(row, node.metadata.labels?.[key]);
      if (columns.size >= MAX_COLUMNS) for (const oldest of columns.keys()) if (columns.delete(oldest)) break;
      columns.set(key, column);
      return column;
    },
    setRow(row, node) {
      const labels = node?.metadata.labels;
      for (const [key, column] of columns) column.set(row, labels?.[key]);
    },
    grow(rows) {
      capacity = rows;
      for (const column of columns.values()) column.values = grownInts(column.values, rows);
    },
  };
}

function labelColumn(key: string, rows: number): Column {
  const ids = new Map<string, number>();
  const names: string[] = [""];
  const column: Column = {
    key,
    values: new Int32Array(rows),
    get size() {
      return names.length;
    },
    idOf: (value) => ids.get(value),
    valueOf: (id) => (id === 0 ? undefined : names[id]),
    set(row, value) {
      if (value === undefined) {
        column.values[row] = 0;
        return;
      }
      let id = ids.get(value);
      if (id === undefined) {
        id = names.push(value) - 1;
        ids.set(value, id);
      }
      column.values[row] = id;
    },
  };
  return column;
}
