import type { Pod, StatefulSet } from "#formats/kube-types.generated.ts";
import { scaledValue } from "../shared/int-or-percent.ts";
import { isAvailable, isFinished, isReady, isTerminating } from "../shared/pods.ts";
import { REVISION_LABEL } from "../shared/revisions.ts";
import { firstOrdinal, missingIdentity, ordinalOf } from "./identity.ts";

export interface StatefulSetObserved {
  readonly set: StatefulSet;
  readonly pods: readonly Pod[];
  /** Label values of pods of the revision that was current before, and of the present template. */
  readonly currentHash: string;
  readonly updateHash: string;
  readonly nowMs: number;
}

export type StatefulSetAction =
  | { readonly kind: "create"; readonly ordinal: number; readonly hash: string }
  | { readonly kind: "delete"; readonly pod: Pod }
  | { readonly kind: "identify"; readonly pod: Pod };

/**
 * The next steps for a stateful set (pkg/controller/statefulset, updateStatefulSet). In order: one pod after the other comes up, each ready before the
 * next; they go from the highest ordinal down; and are replaced from the highest down. `Parallel`: all at once.
 */
export function planStatefulSet(observed: StatefulSetObserved): StatefulSetAction[] {
  const { set } = observed;
  if (set.metadata.deletionTimestamp) return [];
  const ordered = set.spec?.podManagementPolicy !== "Parallel";
  const { replicas, condemned } = sortOut(observed);
  const actions: StatefulSetAction[] = [];
  for (const [index, pod] of replicas.entries()) {
    const step = replicaStep(observed, firstOrdinal(set) + index, pod, ordered);
    if (step.action) actions.push(step.action);
    if (step.stop) return actions;
  }
  const firstUnhealthy = [...replicas, ...condemned].find((pod) => pod && !isHealthy(pod));
  for (const pod of condemned) {
    if (isTerminating(pod)) {
      if (ordered) return actions;
      continue;
    }
    // A pod that is not well may be what the others wait for.
    if (ordered && !isRunning(pod) && pod !== firstUnhealthy) return actions;
    actions.push({ kind: "delete", pod });
    if (ordered) return actions;
  }
  return actions.length > 0 ? actions : planUpdate(observed, replicas);
}

/** The pods of the wanted ordinals (undefined where there is none), and those beyond, the highest first. */
export function sortOut({ set, pods }: StatefulSetObserved): { replicas: (Pod | undefined)[]; condemned: Pod[] } {
  const start = firstOrdinal(set);
  const count = set.spec?.replicas ?? 1;
  const replicas: (Pod | undefined)[] = Array.from({ length: count });
  const condemned: Pod[] = [];
  for (const pod of pods) {
    const ordinal = ordinalOf(set, pod);
    if (ordinal === undefined) continue;
    if (ordinal >= start && ordinal < start + count) replicas[ordinal - start] = pod;
    else condemned.push(pod);
  }
  return { replicas, condemned: condemned.sort((a, b) => (ordinalOf(set, b) ?? 0) - (ordinalOf(set, a) ?? 0)) };
}

interface Step {
  readonly action?: StatefulSetAction;
  readonly stop: boolean;
}

function replicaStep(observed: StatefulSetObserved, ordinal: number, pod: Pod | undefined, ordered: boolean): Step {
  if (!pod) return { action: { kind: "create", ordinal, hash: hashFor(observed, ordinal) }, stop: ordered };
  if (isTerminating(pod)) return { stop: ordered };
  // One that has ended is made anew: first it must go.
  if (isFinished(pod)) return { action: { kind: "delete", pod }, stop: ordered };
  const action: StatefulSetAction | undefined = missingIdentity(pod) ? { kind: "identify", pod } : undefined;
  const wait = ordered && !(isRunning(pod) && available(observed, pod));
  return { ...(action && { action }), stop: wait };
}

/** The revision that an ordinal is made of: the old one, as long as its turn in an update has not come. */
function hashFor({ set, currentHash, updateHash }: StatefulSetObserved, ordinal: number): string {
  if (set.spec?.updateStrategy?.type === "OnDelete") return updateHash;
  const start = firstOrdinal(set);
  const partition = set.spec?.updateStrategy?.rollingUpdate?.partition;
  const keepBelow = partition === undefined || partition === 0 ? (set.status?.currentReplicas ?? 0) : partition;
  return ordinal < start + keepBelow ? currentHash : updateHash;
}

/** Old pods to replace, from the highest ordinal down to the partition, as many at once as may be unavailable. */
function planUpdate(observed: StatefulSetObserved, replicas: readonly (Pod | undefined)[]): StatefulSetAction[] {
  const { set, updateHash } = observed;
  if (set.spec?.updateStrategy?.type === "OnDelete") return [];
  const rolling = set.spec?.updateStrategy?.rollingUpdate;
  const partition = rolling?.partition ?? 0;
  const most = Math.max(1, scaledValue(rolling?.maxUnavailable ?? 1, replicas.length, false));
  let unavailable = replicas.filter((pod) => !pod || isTerminating(pod) || !available(observed, pod)).length;
  const actions: StatefulSetAction[] = [];
  for (let index = replicas.length - 1; index >= partition; index--) {
    const pod = replicas[index];
    if (!pod || pod.metadata.labels?.[REVISION_LABEL] === updateHash) {
      // Above it all are new: those have to be well before the next goes.
      if (!pod || !available(observed, pod)) if (unavailable >= most) return actions;
      continue;
    }
    if (isTerminating(pod)) {
      if (unavailable >= most) return actions;
      continue;
    }
    const well = available(observed, pod);
    if (well && unavailable >= most) return actions;
    actions.push({ kind: "delete", pod });
    if (well) unavailable++;
  }
  return actions;
}

export function isRunning(pod: Pod): boolean {
  return pod.status?.phase === "Running" && isReady(pod);
}

function isHealthy(pod: Pod): boolean {
  return isRunning(pod) && !isTerminating(pod);
}

function available({ set, nowMs }: StatefulSetObserved, pod: Pod): boolean {
  return isRunning(pod) && isAvailable(pod, set.spec?.minReadySeconds ?? 0, nowMs);
}

/** Pods counted for the status. */
export function countPods(observed: StatefulSetObserved) {
  const { pods, currentHash, updateHash } = observed;
  const created = pods.filter((pod) => pod.status?.phase !== undefined && !isFinished(pod));
  const of = (hash: string): number =>
    created.filter((pod) => !isTerminating(pod) && pod.metadata.labels?.[REVISION_LABEL] === hash).length;
  return {
    replicas: created.length,
    readyReplicas: created.filter(isRunning).length,
    availableReplicas: created.filter((pod) => available(observed, pod)).length,
    currentReplicas: of(currentHash),
    updatedReplicas: of(updateHash),
  };
}
