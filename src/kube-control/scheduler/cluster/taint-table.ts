import type { Taint } from "#formats/kube-types.generated.ts";
import { grownInts } from "./grow.ts";

/** The nodes' taints: nodes with the same taints share a number, so that a pod is judged once for each set of taints. */
export interface TaintTable {
  /** By row: the number of the node's set of taints; 0 for none. */
  readonly sets: Int32Array;
  /** The taints of a set. */
  taints(set: number): readonly Taint[];
  /** How many sets there ever were: every number is below it. */
  readonly size: number;
  setRow(row: number, taints: readonly Taint[] | undefined): void;
  grow(rows: number): void;
}

/** Makes a table in which no node has taints. */
export function taintTable(rows: number): TaintTable {
  const known: (readonly Taint[])[] = [[]];
  const ids = new Map<string, number>([["", 0]]);
  let sets: Int32Array = new Int32Array(rows);
  return {
    get sets() {
      return sets;
    },
    get size() {
      return known.length;
    },
    taints: (set) => known[set] ?? [],
    setRow(row, taints = []) {
      // When they were added does not matter here.
      const text = taints.map(({ key, value, effect }) => `${key}=${value ?? ""}:${effect}`).join("\n");
      let id = ids.get(text);
      if (id === undefined) {
        id = known.push(taints) - 1;
        ids.set(text, id);
      }
      sets[row] = id;
    },
    grow(rows) {
      sets = grownInts(sets, rows);
    },
  };
}
