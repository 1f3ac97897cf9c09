import { touch, type ClusterState, type Placement } from "./cluster-state.ts";
import type { PodInfo } from "./pod-info.ts";

// Pods that have a node promised (status.nominatedNodeName): what is remembered of their nodes is judged anew when a promise is made or ends.

/** Promises a pod a node; an earlier promise ends. */
export function nominate(cluster: ClusterState, info: PodInfo, nodeName: string): void {
  endNomination(cluster, info.uid);
  const placement: Placement = { info, nodeName };
  cluster.nominated.set(info.uid, placement);
  const here = cluster.nominatedByNode.get(nodeName);
  if (here) here.add(placement);
  else cluster.nominatedByNode.set(nodeName, new Set([placement]));
  changed(cluster, nodeName);
}

/** Ends the promise to a pod; returns it. */
export function endNomination(cluster: ClusterState, uid: string): Placement | undefined {
  const placement = cluster.nominated.get(uid);
  if (!placement) return undefined;
  cluster.nominated.delete(uid);
  const here = cluster.nominatedByNode.get(placement.nodeName);
  here?.delete(placement);
  if (here?.size === 0) cluster.nominatedByNode.delete(placement.nodeName);
  changed(cluster, placement.nodeName);
  return placement;
}

const NONE: readonly Placement[] = [];

/** Pods that are promised the node and whose place this pod may not take: they are as important. */
export function nominatedOn(cluster: ClusterState, row: number, pod: PodInfo): readonly Placement[] {
  if (cluster.nominated.size === 0) return NONE;
  const here = cluster.nominatedByNode.get(cluster.nodes[row]?.metadata.name ?? "");
  if (!here) return NONE;
  return Array.from(here).filter(({ info }) => info.uid !== pod.uid && info.priority >= pod.priority);
}

function changed(cluster: ClusterState, nodeName: string): void {
  const row = cluster.rowByName.get(nodeName);
  if (row !== undefined) touch(cluster, row);
}
