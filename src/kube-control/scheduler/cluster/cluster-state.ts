import type { Node } from "#formats/kube-types.generated.ts";
import { labelTable, type LabelTable } from "./label-table.ts";
import type { PodInfo } from "./pod-info.ts";
import { portTable, type PortTable } from "./port-table.ts";
import { resourceTable, type ResourceTable } from "./resource-table.ts";
import { taintTable, type TaintTable } from "./taint-table.ts";

/** Told of pods that take and leave nodes: indexes over placed pods (affinity, spreading) keep themselves current with it. */
export interface PlacementListener {
  placed(pod: PodInfo, row: number): void;
  removed(pod: PodInfo, row: number): void;
  nodeChanged(row: number): void;
}

export interface Placement {
  readonly info: PodInfo;
  readonly nodeName: string;
}

/**
 * The nodes and what is placed on them, a row for each node, kept current change by change (`nodes.ts`, `placements.ts`). Plain data without I/O:
 * the scheduler, what-if questions and preemption trials all work on it. It grows with the nodes and pods of the cluster and with nothing else.
 * Plugins read it and never write it.
 */
export interface ClusterState {
  /** Rows of present nodes; replaced, never changed, when nodes come and go. */
  rows: Int32Array;
  /** All rows are below it. */
  rowLimit: number;
  /** Rows that the arrays have room for. */
  capacity: number;
  readonly freeRows: number[];
  readonly rowByName: Map<string, number>;
  readonly nodes: (Node | undefined)[];
  /** Counts all changes; each row has the count of its last one. */
  generation: number;
  generations: Float64Array;
  /** Counts changes of nodes' labels, and nodes that come and go. */
  topologyVersion: number;
  /** Above 0: changes are tried only, and taken back (`withoutTrace`). */
  untraced: number;
  /** The rows of the last changes, by generation modulo its length. */
  readonly changedRows: Int32Array;

  readonly resources: ResourceTable;
  readonly labels: LabelTable;
  readonly taints: TaintTable;
  readonly ports: PortTable;
  podCounts: Int32Array;
  /** 1: spec.unschedulable. */
  unschedulable: Uint8Array;
  /** Requests of placed pods, with the stand-ins for those that make none. */
  scoringCpuMillis: Float64Array;
  scoringMemoryBytes: Float64Array;
  readonly podsByRow: (Set<PodInfo> | undefined)[];
  /** By uid. */
  readonly placements: Map<string, Placement>;
  /** Placed pods of nodes that are not there (yet), by node name. */
  readonly waiting: Map<string, Set<PodInfo>>;
  /** Pending pods that have a node promised (status.nominatedNodeName), by uid. */
  readonly nominated: Map<string, Placement>;
  /** The same by node name; both are changed by `nominations.ts` only. */
  readonly nominatedByNode: Map<string, Set<Placement>>;
  readonly listeners: PlacementListener[];
}

const INITIAL_CAPACITY = 64;
/** Changes whose rows are remembered; what has fallen further behind looks at all rows. */
export const ROWS_REMEMBERED = 4096;
const NO_PODS: ReadonlySet<PodInfo> = new Set();

/** Makes an empty cluster. */
export function clusterState(): ClusterState {
  const cluster: ClusterState = {
    rows: new Int32Array(0),
    rowLimit: 0,
    capacity: INITIAL_CAPACITY,
    freeRows: [],
    rowByName: new Map(),
    nodes: [],
    generation: 0,
    generations: new Float64Array(INITIAL_CAPACITY),
    topologyVersion: 0,
    untraced: 0,
    changedRows: new Int32Array(ROWS_REMEMBERED),
    resources: resourceTable(INITIAL_CAPACITY),
    labels: labelTable(INITIAL_CAPACITY, () => presentNodes(cluster)),
    taints: taintTable(INITIAL_CAPACITY),
    ports: portTable(),
    podCounts: new Int32Array(INITIAL_CAPACITY),
    unschedulable: new Uint8Array(INITIAL_CAPACITY),
    scoringCpuMillis: new Float64Array(INITIAL_CAPACITY),
    scoringMemoryBytes: new Float64Array(INITIAL_CAPACITY),
    podsByRow: [],
    placements: new Map(),
    waiting: new Map(),
    nominated: new Map(),
    nominatedByNode: new Map(),
    listeners: [],
  };
  return cluster;
}

/** Present nodes with their rows. */
export function* presentNodes(cluster: ClusterState): Generator<[row: number, node: Node]> {
  for (const row of cluster.rows) {
    const node = cluster.nodes[row];
    if (node) yield [row, node];
  }
}

/** The pods on a node. */
export function podsOn(cluster: ClusterState, row: number): ReadonlySet<PodInfo> {
  return cluster.podsByRow[row] ?? NO_PODS;
}

export function nodeName(cluster: ClusterState, row: number): string {
  return cluster.nodes[row]?.metadata.name ?? "";
}

/** Subscribes, first telling of everything already there. */
export function listen(cluster: ClusterState, listener: PlacementListener): void {
  cluster.listeners.push(listener);
  for (const row of cluster.rows) {
    listener.nodeChanged(row);
    for (const info of podsOn(cluster, row)) listener.placed(info, row);
  }
}

/** Marks a row as changed. */
export function touch(cluster: ClusterState, row: number): void {
  if (cluster.untraced > 0) return;
  const generation = ++cluster.generation;
  cluster.generations[row] = generation;
  cluster.changedRows[generation % ROWS_REMEMBERED] = row;
}

/** Runs something that changes rows and leaves them as they were: for those that follow the changes, nothing happened. Within `run` nothing may follow them. */
export function withoutTrace<R>(cluster: ClusterState, run: () => R): R {
  cluster.untraced++;
  try {
    return run();
  } finally {
    cluster.untraced--;
  }
}
