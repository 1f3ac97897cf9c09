import { untoleratedTaint } from "#formats/tolerations.ts";
import type { ClusterState } from "../cluster/cluster-state.ts";
import { podNodeMatcher } from "../cluster/node-matcher.ts";
import type { PodInfo } from "../cluster/pod-info.ts";

/** How far a node is from taking a pod: whole numbers for what would have to change, fractions for how much lacks. */
export type Distance = (row: number) => number;

/** Judges by requests, taints, cordons and the pod's own wishes for nodes; a rough order of which nodes to look at closely. */
export function distanceTo(cluster: ClusterState, info: PodInfo): Distance {
  const { spec } = info.pod;
  const matches = podNodeMatcher(cluster, spec);
  const wanted = Array.from(info.requests, ([name, amount]) => ({ amount, column: cluster.resources.column(name) }));
  const podLimits = cluster.resources.column("pods");
  return (row) => {
    let distance = 0;
    for (const { amount, column } of wanted) {
      const allocatable = column?.allocatable[row] ?? 0;
      const lacking = amount - (allocatable - (column?.requested[row] ?? 0));
      // A node that is too small even when empty is further away than any that only is full.
      if (lacking > 0) distance += amount > allocatable ? 3 : 1 + lacking / amount;
    }
    if ((cluster.podCounts[row] ?? 0) + 1 > (podLimits?.allocatable[row] ?? 0)) distance += 1;
    if (untoleratedTaint(cluster.taints.taints(cluster.taints.sets[row] ?? 0), spec?.tolerations)) distance += 1;
    if (cluster.unschedulable[row] === 1) distance += 1;
    if (matches && !matches(row)) distance += 1;
    return distance;
  };
}

/** The rows that are nearest, the nearest first. */
export function nearestRows(cluster: ClusterState, info: PodInfo, count: number): number[] {
  const distance = distanceTo(cluster, info);
  return Array.from(cluster.rows, (row) => ({ row, distance: distance(row) }))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, count)
    .map(({ row }) => row);
}
