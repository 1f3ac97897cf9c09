import { withoutTrace, type ClusterState, type Placement } from "../cluster/cluster-state.ts";
import { seat, unseat } from "../cluster/placements.ts";
import type { PodInfo } from "../cluster/pod-info.ts";

/** Pods that have a node promised and are as important as this one: their place is not to be taken. */
export function nominatedAbove(cluster: ClusterState, pod: PodInfo): Placement[] {
  if (cluster.nominated.size === 0) return [];
  return Array.from(cluster.nominated.values()).filter(
    ({ info, nodeName }) => info.uid !== pod.uid && info.priority >= pod.priority && cluster.rowByName.has(nodeName),
  );
}

/** Runs something on the cluster as it will be once these pods have taken their promised places. */
export function withSeated<R>(cluster: ClusterState, placements: readonly Placement[], run: () => R): R {
  return withoutTrace(cluster, () => seatedDuring(cluster, placements, run));
}

function seatedDuring<R>(cluster: ClusterState, placements: readonly Placement[], run: () => R): R {
  const seated: [PodInfo, number][] = [];
  try {
    for (const { info, nodeName } of placements) {
      const row = cluster.rowByName.get(nodeName);
      if (row === undefined) continue;
      seat(cluster, info, row);
      seated.push([info, row]);
    }
    return run();
  } finally {
    for (const [info, row] of seated) unseat(cluster, info, row);
  }
}
