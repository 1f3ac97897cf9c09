import type { Pod, ReplicaSet, ReplicaSetStatus } from "#formats/kube-types.generated.ts";
import { matchesSelector, selectorOfMap } from "#formats/selectors.ts";
import { withCondition, withoutCondition } from "../shared/conditions.ts";
import { availableInMs, isActive, isAvailable, isFinished, isReady, isTerminating } from "../shared/pods.ts";
import { deletionOrder } from "./deletion-order.ts";

/** At most this many pods are created or deleted in one go. */
export const BURST_REPLICAS = 500;

export interface ReplicaSetObserved {
  readonly replicaSet: ReplicaSet;
  /** The pods that belong to it. */
  readonly pods: readonly Pod[];
  /** Pods on each node of the same owner's replica sets: those doubled up go first. */
  readonly relatedOnNode: (nodeName: string) => number;
  /** Asked to be deleted before, without an answer. */
  readonly isDoomed: (pod: Pod) => boolean;
  readonly nowMs: number;
}

export type ReplicaSetAction =
  | { readonly kind: "none" }
  | { readonly kind: "create"; readonly count: number }
  | { readonly kind: "delete"; readonly pods: readonly Pod[] };

/** How many pods to create, or which to delete, to come to the wanted number. */
export function planReplicas(observed: ReplicaSetObserved): ReplicaSetAction {
  const { replicaSet, pods, nowMs } = observed;
  if (replicaSet.metadata.deletionTimestamp) return { kind: "none" };
  const active = pods.filter(isActive);
  const missing = (replicaSet.spec?.replicas ?? 1) - active.length;
  if (missing > 0) return { kind: "create", count: Math.min(missing, BURST_REPLICAS) };
  if (missing === 0) return { kind: "none" };
  const order = deletionOrder(observed.relatedOnNode, nowMs);
  const doomedFirst = (a: Pod, b: Pod): number =>
    Number(observed.isDoomed(b)) - Number(observed.isDoomed(a)) || order(a, b);
  return { kind: "delete", pods: active.toSorted(doomedFirst).slice(0, Math.min(-missing, BURST_REPLICAS)) };
}

/** A failure of the last create or delete, for the status condition. */
export interface ReplicaFailure {
  readonly reason: "FailedCreate" | "FailedDelete";
  readonly message: string;
}

/** The status that the pods show. */
export function replicaSetStatus(observed: ReplicaSetObserved, failure: ReplicaFailure | undefined): ReplicaSetStatus {
  const { replicaSet, pods, nowMs } = observed;
  const active = pods.filter(isActive);
  const minReadySeconds = replicaSet.spec?.minReadySeconds ?? 0;
  const fullLabels = selectorOfMap(replicaSet.spec?.template?.metadata?.labels);
  return {
    ...replicaSet.status,
    replicas: active.length,
    fullyLabeledReplicas: active.filter((pod) => matchesSelector(fullLabels, pod.metadata.labels)).length,
    readyReplicas: active.filter(isReady).length,
    availableReplicas: active.filter((pod) => isAvailable(pod, minReadySeconds, nowMs)).length,
    terminatingReplicas: pods.filter((pod) => isTerminating(pod) && !isFinished(pod)).length,
    observedGeneration: replicaSet.metadata.generation,
    conditions: failureConditions(replicaSet, failure, nowMs),
  };
}

/** When a pod that is ready becomes available, in milliseconds from now; undefined when none waits for it. */
export function nextAvailableInMs({ replicaSet, pods, nowMs }: ReplicaSetObserved): number | undefined {
  const minReadySeconds = replicaSet.spec?.minReadySeconds ?? 0;
  if (minReadySeconds === 0) return undefined;
  const waits = pods
    .filter(isActive)
    .map((pod) => availableInMs(pod, minReadySeconds, nowMs))
    .filter((wait): wait is number => wait !== undefined && wait > 0);
  return waits.length === 0 ? undefined : Math.min(...waits);
}

function failureConditions(replicaSet: ReplicaSet, failure: ReplicaFailure | undefined, nowMs: number) {
  const conditions = replicaSet.status?.conditions;
  if (!failure) return withoutCondition(conditions, "ReplicaFailure");
  // The first failure stands until it is over: repeats would only make the status flicker.
  if (conditions?.some((condition) => condition.type === "ReplicaFailure")) return conditions;
  return withCondition(conditions, { type: "ReplicaFailure", status: "True", ...failure }, nowMs);
}
