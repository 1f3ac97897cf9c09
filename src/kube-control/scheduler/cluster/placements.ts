import { touch, type ClusterState } from "./cluster-state.ts";
import type { PodInfo } from "./pod-info.ts";

/** Places a pod, or replaces its older version, wherever that was. A node that is not there yet counts it when it comes. */
export function place(cluster: ClusterState, info: PodInfo, nodeName: string): void {
  unplace(cluster, info.uid);
  cluster.placements.set(info.uid, { info, nodeName });
  const row = cluster.rowByName.get(nodeName);
  if (row !== undefined) {
    seat(cluster, info, row);
    return;
  }
  const pods = cluster.waiting.get(nodeName);
  if (pods) pods.add(info);
  else cluster.waiting.set(nodeName, new Set([info]));
}

/** Takes a pod out; false when it was not placed. */
export function unplace(cluster: ClusterState, uid: string): boolean {
  const placement = cluster.placements.get(uid);
  if (!placement) return false;
  cluster.placements.delete(uid);
  const row = cluster.rowByName.get(placement.nodeName);
  if (row !== undefined) {
    unseat(cluster, placement.info, row);
    return true;
  }
  const pods = cluster.waiting.get(placement.nodeName);
  pods?.delete(placement.info);
  if (pods?.size === 0) cluster.waiting.delete(placement.nodeName);
  return true;
}

/** Counts a pod on a present node. */
export function seat(cluster: ClusterState, info: PodInfo, row: number): void {
  const pods = cluster.podsByRow[row];
  if (pods) pods.add(info);
  else cluster.podsByRow[row] = new Set([info]);
  count(cluster, info, row, 1);
  if (info.hostPorts.length > 0) cluster.ports.add(row, info);
  for (const listener of cluster.listeners) listener.placed(info, row);
}

/** Takes a pod's count off a present node. */
export function unseat(cluster: ClusterState, info: PodInfo, row: number): void {
  cluster.podsByRow[row]?.delete(info);
  count(cluster, info, row, -1);
  if (info.hostPorts.length > 0) cluster.ports.remove(row, info);
  for (const listener of cluster.listeners) listener.removed(info, row);
}

function count(cluster: ClusterState, info: PodInfo, row: number, sign: 1 | -1): void {
  cluster.podCounts[row] = (cluster.podCounts[row] ?? 0) + sign;
  add(cluster.scoringCpuMillis, row, sign * info.scoringCpuMillis);
  add(cluster.scoringMemoryBytes, row, sign * info.scoringMemoryBytes);
  for (const [name, amount] of info.requests) {
    const column = cluster.resources.column(name);
    if (column) add(column.requested, row, sign * amount);
  }
  touch(cluster, row);
}

function add(column: Float64Array, row: number, amount: number): void {
  column[row] = (column[row] ?? 0) + amount;
}
