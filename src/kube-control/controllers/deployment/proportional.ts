import type { Deployment, ReplicaSet } from "#formats/kube-types.generated.ts";
import { desiredReplicas, maxReplicas } from "./annotations.ts";
import { byCreation, isRolling, isSized, maxSurge, replicasOf, wantedPods, type Resize } from "./arithmetic.ts";

/** True when the number of replicas was changed since the replica sets were last sized. */
export function isScaling(deployment: Deployment, replicaSets: readonly ReplicaSet[]): boolean {
  return replicaSets.filter(isSized).some((each) => {
    const desired = desiredReplicas(each);
    return desired !== undefined && desired !== replicasOf(deployment);
  });
}

/**
 * The sizes after a change of the number of replicas: of the one replica set there is, or, in the middle of a rolling update, of all
 * in proportion to their sizes, so that a large step does not go to one that may not work.
 */
export function planScaling(
  deployment: Deployment,
  newOne: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): Resize[] {
  const only = activeOrLatest(newOne, old);
  const wanted = replicasOf(deployment);
  if (only) return [{ replicaSet: only, to: wanted }];
  if (newOne && isSaturated(deployment, newOne)) {
    return old.filter(isSized).map((replicaSet) => ({ replicaSet, to: 0 }));
  }
  if (!isRolling(deployment)) return [];
  const active = [...old, ...(newOne ? [newOne] : [])].filter(isSized);
  const allowed = wanted > 0 ? wanted + maxSurge(deployment) : 0;
  const toAdd = allowed - wantedPods(active);
  return distribute(deployment, active.toSorted(toAdd > 0 ? largestThenNewest : largestThenOldest), toAdd);
}

function distribute(deployment: Deployment, replicaSets: readonly ReplicaSet[], toAdd: number): Resize[] {
  let added = 0;
  const resizes = replicaSets.map((replicaSet) => {
    const share = proportion(deployment, replicaSet, toAdd, added);
    added += share;
    return { replicaSet, to: replicasOf(replicaSet) + share };
  });
  // What rounding left over goes to the largest.
  return resizes.map((resize, index) =>
    index === 0 ? { ...resize, to: Math.max(0, resize.to + toAdd - added) } : resize,
  );
}

function proportion(deployment: Deployment, replicaSet: ReplicaSet, toAdd: number, added: number): number {
  if (!isSized(replicaSet) || toAdd === 0 || toAdd === added) return 0;
  const share = fraction(deployment, replicaSet);
  return toAdd > 0 ? Math.min(share, toAdd - added) : Math.max(share, toAdd - added);
}

function fraction(deployment: Deployment, replicaSet: ReplicaSet): number {
  const size = replicasOf(replicaSet);
  if (replicasOf(deployment) === 0) return -size;
  const most = replicasOf(deployment) + maxSurge(deployment);
  // Without the annotation the status is the best there is.
  const before = maxReplicas(replicaSet) ?? deployment.status?.replicas ?? 0;
  return before === 0 ? 0 : Math.round((size * most) / before) - size;
}

/** The one replica set that has a size, or, when none has, the newest; undefined when several do. */
function activeOrLatest(newOne: ReplicaSet | undefined, old: readonly ReplicaSet[]): ReplicaSet | undefined {
  const active = [...old, ...(newOne ? [newOne] : [])].filter(isSized);
  if (active.length > 1) return undefined;
  return active[0] ?? newOne ?? old.toSorted(byCreation).at(-1);
}

function isSaturated(deployment: Deployment, newOne: ReplicaSet): boolean {
  const wanted = replicasOf(deployment);
  return (
    desiredReplicas(newOne) === wanted &&
    replicasOf(newOne) === wanted &&
    (newOne.status?.availableReplicas ?? 0) === wanted
  );
}

function largestThenNewest(a: ReplicaSet, b: ReplicaSet): number {
  return replicasOf(b) - replicasOf(a) || byCreation(b, a);
}

function largestThenOldest(a: ReplicaSet, b: ReplicaSet): number {
  return replicasOf(b) - replicasOf(a) || byCreation(a, b);
}
