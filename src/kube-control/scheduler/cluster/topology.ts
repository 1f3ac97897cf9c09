import type { ClusterState } from "./cluster-state.ts";
import type { LabelColumn } from "./label-table.ts";

/** The domains of a topology key: nodes that share their value of the label. Number 0: nodes without it. */
export interface Topology {
  readonly column: LabelColumn;
  /** By domain: how many nodes are in it. */
  readonly nodeCounts: Int32Array;
  /** Domains with nodes, without number 0. */
  readonly domains: Int32Array;
}

interface Known extends Topology {
  readonly version: number;
}

const known = new WeakMap<LabelColumn, Known>();

/** The domains of a key as the nodes are now; counted again only after node labels changed. */
export function topologyOf(cluster: ClusterState, topologyKey: string): Topology {
  const column = cluster.labels.column(topologyKey);
  const found = known.get(column);
  if (found?.version === cluster.topologyVersion) return found;
  const nodeCounts = new Int32Array(column.size);
  for (const row of cluster.rows) {
    const domain = column.values[row] ?? 0;
    nodeCounts[domain] = (nodeCounts[domain] ?? 0) + 1;
  }
  const domains: number[] = [];
  for (let domain = 1; domain < nodeCounts.length; domain++) if (nodeCounts[domain]) domains.push(domain);
  const made = { column, nodeCounts, domains: Int32Array.from(domains), version: cluster.topologyVersion };
  known.set(column, made);
  return made;
}

/** Amounts that nodes have, summed by domain. */
export interface DomainSums {
  readonly topologyKey: string;
  /** By row: its domain. */
  readonly values: Int32Array;
  /** By domain; number 0 stays 0. */
  readonly sums: Float64Array;
  /** Domains whose sum is not 0. */
  readonly occupied: number;
}

/** Keeps such sums current while single rows change. */
export interface DomainView {
  add(row: number, amount: number): void;
  /** Good until the cluster changes. */
  current(): DomainSums;
}

/** A view of amounts by row: `amounts` is asked only when the sums have to be made anew. */
export function domainView(
  cluster: ClusterState,
  topologyKey: string,
  amounts: () => Iterable<readonly [row: number, amount: number]>,
): DomainView {
  let column: LabelColumn | undefined;
  let version = -1;
  let sums = new Float64Array(0);
  let occupied = 0;
  const add = (row: number, amount: number): void => {
    const domain = column?.values[row] ?? 0;
    if (domain === 0 || amount === 0) return;
    const before = sums[domain] ?? 0;
    const after = before + amount;
    sums[domain] = after;
    if (before === 0) occupied++;
    else if (after === 0) occupied--;
  };
  return {
    add(row, amount) {
      if (version === cluster.topologyVersion) add(row, amount);
    },
    current() {
      const now = cluster.labels.column(topologyKey);
      if (version !== cluster.topologyVersion || now !== column) {
        column = now;
        version = cluster.topologyVersion;
        sums = new Float64Array(now.size);
        occupied = 0;
        for (const [row, amount] of amounts()) add(row, amount);
      }
      return { topologyKey, values: now.values, sums, occupied };
    },
  };
}
