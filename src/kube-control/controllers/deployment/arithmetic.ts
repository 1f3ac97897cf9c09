// The numbers of a rolling update (pkg/controller/deployment/util).
import type { Deployment, ReplicaSet } from "#formats/kube-types.generated.ts";
import { scaledValue } from "../shared/int-or-percent.ts";

export function isRolling(deployment: Deployment): boolean {
  return deployment.spec?.strategy?.type !== "Recreate";
}

/** How many pods may be there beyond and be missing below the wanted number; never both 0. */
function fenceposts(deployment: Deployment): { surge: number; unavailable: number } {
  const replicas = replicasOf(deployment);
  const rolling = deployment.spec?.strategy?.rollingUpdate;
  const surge = scaledValue(rolling?.maxSurge ?? "25%", replicas, true);
  const unavailable = scaledValue(rolling?.maxUnavailable ?? "25%", replicas, false);
  return surge === 0 && unavailable === 0 ? { surge, unavailable: 1 } : { surge, unavailable };
}

export function maxSurge(deployment: Deployment): number {
  return isRolling(deployment) ? fenceposts(deployment).surge : 0;
}

export function maxUnavailable(deployment: Deployment): number {
  const replicas = replicasOf(deployment);
  if (!isRolling(deployment) || replicas === 0) return 0;
  return Math.min(fenceposts(deployment).unavailable, replicas);
}

export function replicasOf(object: Deployment | ReplicaSet): number {
  return object.spec?.replicas ?? 1;
}

/** Wanted pods of all. */
export function wantedPods(replicaSets: readonly ReplicaSet[]): number {
  return replicaSets.reduce((sum, each) => sum + replicasOf(each), 0);
}

/** Pods there are, as the replica sets' status tells. */
export function actualPods(replicaSets: readonly ReplicaSet[]): number {
  return replicaSets.reduce((sum, each) => sum + (each.status?.replicas ?? 0), 0);
}

export function readyPods(replicaSets: readonly ReplicaSet[]): number {
  return replicaSets.reduce((sum, each) => sum + (each.status?.readyReplicas ?? 0), 0);
}

export function availablePods(replicaSets: readonly ReplicaSet[]): number {
  return replicaSets.reduce((sum, each) => sum + (each.status?.availableReplicas ?? 0), 0);
}

/**
 * Available pods that will stay: no more of a replica set than its size. Its status may still count pods that it was just told to delete
 * (kube-controller-manager trusts it, and can for a moment go below the minimum).
 */
function lastingPods(replicaSets: readonly ReplicaSet[]): number {
  return replicaSets.reduce((sum, each) => sum + Math.min(replicasOf(each), each.status?.availableReplicas ?? 0), 0);
}

/**
 * Pods that are or will be there: those that a replica set was told to delete count until they are being deleted. Unknown (infinite) as long as its
 * controller has not seen its size.
 */
function presentPods(replicaSets: readonly ReplicaSet[]): number {
  return replicaSets.reduce((sum, each) => {
    const seen = (each.status?.observedGeneration ?? 0) >= (each.metadata.generation ?? 0);
    return sum + (seen ? Math.max(replicasOf(each), each.status?.replicas ?? 0) : Number.POSITIVE_INFINITY);
  }, 0);
}

export function isSized(replicaSet: ReplicaSet): boolean {
  return replicasOf(replicaSet) > 0;
}

/** The size of the new replica set, now `current`: as large as the surge leaves room for, at most what is wanted. */
export function newReplicaSetSize(deployment: Deployment, old: readonly ReplicaSet[], current: number): number {
  const wanted = replicasOf(deployment);
  if (!isRolling(deployment)) return wanted;
  const room = wanted + maxSurge(deployment) - presentPods(old) - current;
  if (room <= 0) return current;
  return current + Math.min(room, wanted - current);
}

/** A change of size. */
export interface Resize {
  readonly replicaSet: ReplicaSet;
  readonly to: number;
}

/**
 * Which old replica sets shrink, and to what, in a rolling update: first pods that are not healthy anyway, then as many as leave the minimum
 * available, counting pods of the new one that are not available yet as missing.
 */
export function shrinkOld(deployment: Deployment, newOne: ReplicaSet, old: readonly ReplicaSet[]): Resize[] {
  const all = [...old, newOne];
  const minimum = replicasOf(deployment) - maxUnavailable(deployment);
  const newUnavailable = replicasOf(newOne) - (newOne.status?.availableReplicas ?? 0);
  const most = wantedPods(all) - minimum - newUnavailable;
  if (most <= 0) return [];
  const sizes = new Map(old.toSorted(byCreation).map((each) => [each, replicasOf(each)]));
  shrinkUnhealthy(sizes, most);
  shrinkHealthy(sizes, lastingPods(all) - minimum);
  return Array.from(sizes, ([replicaSet, to]) => ({ replicaSet, to })).filter(
    ({ replicaSet, to }) => to !== replicasOf(replicaSet),
  );
}

function shrinkUnhealthy(sizes: Map<ReplicaSet, number>, most: number): void {
  let left = most;
  for (const [each, size] of sizes) {
    if (left <= 0) return;
    const unhealthy = Math.min(left, size - (each.status?.availableReplicas ?? 0));
    if (size === 0 || unhealthy <= 0) continue;
    sizes.set(each, size - unhealthy);
    left -= unhealthy;
  }
}

function shrinkHealthy(sizes: Map<ReplicaSet, number>, most: number): void {
  let left = most;
  for (const [each, size] of sizes) {
    if (left <= 0) return;
    const count = Math.min(size, left);
    sizes.set(each, size - count);
    left -= count;
  }
}

/** Oldest first. */
export function byCreation(a: ReplicaSet, b: ReplicaSet): number {
  return (
    Date.parse(a.metadata.creationTimestamp ?? "") - Date.parse(b.metadata.creationTimestamp ?? "") ||
    compareText(a.metadata.name, b.metadata.name)
  );
}

function compareText(a = "", b = ""): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
