import type { Node } from "#formats/kube-types.generated.ts";
import { resourceAmounts } from "#formats/pod-requests.ts";
import type { Labels } from "#formats/selectors.ts";
import { podsOn, touch, type ClusterState } from "./cluster-state.ts";
import { grownBytes, grownFloats, grownInts } from "./grow.ts";
import { seat, unseat } from "./placements.ts";
import type { ResourceColumn } from "./resource-table.ts";

/** Adds a node or replaces its older version. */
export function setNode(cluster: ClusterState, node: Node): void {
  const name = node.metadata.name ?? "";
  const known = cluster.rowByName.get(name);
  if (known !== undefined) {
    fillRow(cluster, known, node);
    return;
  }
  const row = cluster.freeRows.pop() ?? cluster.rowLimit++;
  if (row >= cluster.capacity) grow(cluster);
  cluster.rowByName.set(name, row);
  appendRow(cluster, row);
  fillRow(cluster, row, node);
  for (const info of cluster.waiting.get(name) ?? []) seat(cluster, info, row);
  cluster.waiting.delete(name);
}

/** The list of rows is a view of a larger buffer: what has a list of before keeps it as it was. */
function appendRow(cluster: ClusterState, row: number): void {
  const count = cluster.rows.length;
  const room = cluster.rows.buffer.byteLength / Int32Array.BYTES_PER_ELEMENT;
  const buffer = room > count ? new Int32Array(cluster.rows.buffer) : new Int32Array(Math.max(64, count * 2));
  if (room <= count) buffer.set(cluster.rows);
  buffer[count] = row;
  cluster.rows = buffer.subarray(0, count + 1);
}

/** Takes a node away; its pods stay known until they are deleted, and count again when the node comes back. */
export function removeNode(cluster: ClusterState, name: string): void {
  const row = cluster.rowByName.get(name);
  if (row === undefined) return;
  const left = new Set(podsOn(cluster, row));
  for (const info of left) unseat(cluster, info, row);
  if (left.size > 0) cluster.waiting.set(name, left);
  cluster.rowByName.delete(name);
  cluster.rows = Int32Array.from(cluster.rowByName.values());
  cluster.nodes[row] = undefined;
  cluster.topologyVersion++;
  cluster.podsByRow[row] = undefined;
  for (const column of cluster.resources.columns()) column.allocatable[row] = 0;
  cluster.labels.setRow(row, undefined);
  cluster.taints.setRow(row, undefined);
  cluster.unschedulable[row] = 0;
  changed(cluster, row);
  cluster.freeRows.push(row);
}

function fillRow(cluster: ClusterState, row: number, node: Node): void {
  const before = cluster.nodes[row];
  if (!before || !sameLabels(before.metadata.labels, node.metadata.labels)) cluster.topologyVersion++;
  cluster.nodes[row] = node;
  const amounts = resourceAmounts(node.status?.allocatable ?? node.status?.capacity);
  for (const name of amounts.keys()) cluster.resources.ensure(name, (column) => countPlaced(cluster, column));
  for (const column of cluster.resources.columns()) column.allocatable[row] = amounts.get(column.name) ?? 0;
  cluster.labels.setRow(row, node);
  cluster.taints.setRow(row, node.spec?.taints);
  cluster.unschedulable[row] = node.spec?.unschedulable ? 1 : 0;
  changed(cluster, row);
}

function sameLabels(a: Labels = {}, b: Labels = {}): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

/** Fills a new column with what is placed already. */
function countPlaced(cluster: ClusterState, column: ResourceColumn): void {
  for (const row of cluster.rows) {
    let total = 0;
    for (const info of podsOn(cluster, row)) total += info.requests.get(column.name) ?? 0;
    column.requested[row] = total;
  }
}

function changed(cluster: ClusterState, row: number): void {
  touch(cluster, row);
  for (const listener of cluster.listeners) listener.nodeChanged(row);
}

function grow(cluster: ClusterState): void {
  const capacity = cluster.capacity * 2;
  cluster.capacity = capacity;
  cluster.generations = grownFloats(cluster.generations, capacity);
  cluster.podCounts = grownInts(cluster.podCounts, capacity);
  cluster.unschedulable = grownBytes(cluster.unschedulable, capacity);
  cluster.scoringCpuMillis = grownFloats(cluster.scoringCpuMillis, capacity);
  cluster.scoringMemoryBytes = grownFloats(cluster.scoringMemoryBytes, capacity);
  cluster.resources.grow(capacity);
  cluster.labels.grow(capacity);
  cluster.taints.grow(capacity);
}
