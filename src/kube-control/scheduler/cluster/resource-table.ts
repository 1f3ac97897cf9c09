import { grownFloats } from "./grow.ts";

/** One resource over all nodes, a row each: cpu in millicores, everything else in whole units. */
export interface ResourceColumn {
  readonly name: string;
  allocatable: Float64Array;
  requested: Float64Array;
}

/** The resources that some node has, as columns. A resource that no node has needs none: nothing fits it. */
export interface ResourceTable {
  column(name: string): ResourceColumn | undefined;
  columns(): Iterable<ResourceColumn>;
  /** The column of `name`, made when it is not there; `made` fills its requests from the pods already placed. */
  ensure(name: string, made: (column: ResourceColumn) => void): ResourceColumn;
  grow(rows: number): void;
}

/** Makes an empty table with room for `rows` nodes. */
export function resourceTable(rows: number): ResourceTable {
  const columns = new Map<string, ResourceColumn>();
  let capacity = rows;
  return {
    column: (name) => columns.get(name),
    columns: () => columns.values(),
    ensure(name, made) {
      const known = columns.get(name);
      if (known) return known;
      const column = { name, allocatable: new Float64Array(capacity), requested: new Float64Array(capacity) };
      columns.set(name, column);
      made(column);
      return column;
    },
    grow(rows) {
      capacity = rows;
      for (const column of columns.values()) {
        column.allocatable = grownFloats(column.allocatable, rows);
        column.requested = grownFloats(column.requested, rows);
      }
    },
  };
}
