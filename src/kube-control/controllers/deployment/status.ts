import { kubeTime, parseKubeTime } from "#formats/kube-time.ts";
import type { Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet } from "#formats/kube-types.generated.ts";
import { withoutCondition } from "../shared/conditions.ts";
import { actualPods, availablePods, maxUnavailable, readyPods, replicasOf, wantedPods } from "./arithmetic.ts";

type Conditions = readonly DeploymentCondition[] | undefined;

/** No deadline is written as the largest int32. */
const NO_DEADLINE = 2147483647;

export function hasDeadline(deployment: Deployment): boolean {
  const seconds = deployment.spec?.progressDeadlineSeconds;
  return seconds !== undefined && seconds !== NO_DEADLINE;
}

export function progressing(conditions: Conditions): DeploymentCondition | undefined {
  return conditions?.find((condition) => condition.type === "Progressing");
}

/** Puts a condition in; one of the same status and reason stays as it is, and the transition time with the status. */
export function putCondition(
  conditions: Conditions,
  condition: Pick<DeploymentCondition, "type" | "status" | "reason" | "message">,
  nowMs: number,
  refresh = false,
): DeploymentCondition[] {
  const known = conditions?.find((each) => each.type === condition.type);
  if (known && !refresh && known.status === condition.status && known.reason === condition.reason)
    return [...(conditions ?? [])];
  const now = kubeTime(nowMs);
  const since = known?.status === condition.status ? (known.lastTransitionTime ?? now) : now;
  const made: DeploymentCondition = { ...condition, lastUpdateTime: now, lastTransitionTime: since };
  return [...withoutCondition(conditions, condition.type), made];
}

/** The numbers and the Available condition. */
export function countedStatus(
  deployment: Deployment,
  all: readonly ReplicaSet[],
  newOne: ReplicaSet | undefined,
  nowMs: number,
): DeploymentStatus {
  const available = availablePods(all);
  const enough = available >= replicasOf(deployment) - maxUnavailable(deployment);
  return {
    ...deployment.status,
    observedGeneration: deployment.metadata.generation,
    replicas: actualPods(all),
    updatedReplicas: newOne ? actualPods([newOne]) : 0,
    readyReplicas: readyPods(all),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, wantedPods(all) - available),
    terminatingReplicas: all.reduce((sum, each) => sum + (each.status?.terminatingReplicas ?? 0), 0),
    conditions: putCondition(
      deployment.status?.conditions,
      {
        type: "Available",
        status: enough ? "True" : "False",
        reason: enough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
        message: enough ? "Deployment has minimum availability." : "Deployment does not have minimum availability.",
      },
      nowMs,
    ),
  };
}

/** All pods are of the present template and available, and no other ones are left. */
export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const wanted = replicasOf(deployment);
  return (
    (status.updatedReplicas ?? 0) === wanted &&
    (status.replicas ?? 0) === wanted &&
    (status.availableReplicas ?? 0) === wanted &&
    (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  );
}

/** Something moved since the status was last written. */
function isProgressing(deployment: Deployment, status: DeploymentStatus): boolean {
  const before: DeploymentStatus = deployment.status ?? {};
  const oldPods = (of: DeploymentStatus): number => (of.replicas ?? 0) - (of.updatedReplicas ?? 0);
  return (
    (status.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0) ||
    oldPods(status) < oldPods(before) ||
    (status.readyReplicas ?? 0) > (before.readyReplicas ?? 0) ||
    (status.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
  );
}

function isTimedOut(deployment: Deployment, status: DeploymentStatus, nowMs: number): boolean {
  const condition = progressing(status.conditions);
  if (!condition || condition.reason === "NewReplicaSetAvailable") return false;
  if (condition.reason === "ProgressDeadlineExceeded") return true;
  return deadlineMs(deployment, condition) < nowMs;
}

function deadlineMs(deployment: Deployment, condition: DeploymentCondition): number {
  return (parseKubeTime(condition.lastUpdateTime) ?? 0) + (deployment.spec?.progressDeadlineSeconds ?? 0) * 1000;
}

/** The status of a rollout: with how it progresses and what fails. */
export function rolloutStatus(
  deployment: Deployment,
  all: readonly ReplicaSet[],
  newOne: ReplicaSet | undefined,
  nowMs: number,
): DeploymentStatus {
  const status = countedStatus(deployment, all, newOne, nowMs);
  let conditions: DeploymentCondition[] = hasDeadline(deployment)
    ? withProgress(deployment, status, newOne, nowMs)
    : withoutCondition(status.conditions, "Progressing");
  const failure = replicaFailure(all, newOne);
  conditions = failure ? putCondition(conditions, failure, nowMs) : withoutCondition(conditions, "ReplicaFailure");
  return { ...status, conditions };
}

function withProgress(
  deployment: Deployment,
  status: DeploymentStatus,
  newOne: ReplicaSet | undefined,
  nowMs: number,
): DeploymentCondition[] {
  const present = progressing(deployment.status?.conditions);
  const conditions = [...(status.conditions ?? [])];
  const done = (status.replicas ?? 0) === (status.updatedReplicas ?? 0) && present?.reason === "NewReplicaSetAvailable";
  if (done) return conditions;
  const subject = newOne
    ? `ReplicaSet "${newOne.metadata.name ?? ""}"`
    : `Deployment "${deployment.metadata.name ?? ""}"`;
  const put = (state: string, reason: string, message: string, refresh = false): DeploymentCondition[] =>
    putCondition(
      conditions,
      { type: "Progressing", status: state, reason, message: `${subject} ${message}` },
      nowMs,
      refresh,
    );
  if (isComplete(deployment, status)) return put("True", "NewReplicaSetAvailable", "has successfully progressed.");
  // Refreshed, so that the deadline counts from the last step.
  if (isProgressing(deployment, status)) return put("True", "ReplicaSetUpdated", "is progressing.", true);
  if (isTimedOut(deployment, status, nowMs))
    return put("False", "ProgressDeadlineExceeded", "has timed out progressing.");
  return conditions;
}

function replicaFailure(all: readonly ReplicaSet[], newOne: ReplicaSet | undefined): DeploymentCondition | undefined {
  const first = newOne ? [newOne, ...all.filter((each) => each !== newOne)] : all;
  for (const each of first) {
    const failure = each.status?.conditions?.find(({ type }) => type === "ReplicaFailure");
    if (failure) {
      const { status, reason, message } = failure;
      return { type: "ReplicaFailure", status, reason, message };
    }
  }
  return undefined;
}

/** Milliseconds until the deployment may have run out of its progress deadline; undefined when it cannot. */
export function deadlineInMs(deployment: Deployment, status: DeploymentStatus, nowMs: number): number | undefined {
  const condition = progressing(status.conditions);
  if (!hasDeadline(deployment) || !condition || deployment.spec?.paused) return undefined;
  if (isComplete(deployment, status) || condition.reason === "ProgressDeadlineExceeded") return undefined;
  // A second more: times on the wire are cut to seconds.
  return Math.max(0, deadlineMs(deployment, condition) - nowMs) + 1000;
}

/** The Progressing condition of a deployment that was just paused or resumed; undefined when nothing changes. */
export function pauseConditions(deployment: Deployment, nowMs: number): DeploymentCondition[] | undefined {
  const present = progressing(deployment.status?.conditions);
  if (!hasDeadline(deployment) || present?.reason === "ProgressDeadlineExceeded") return undefined;
  const shown = present?.reason === "DeploymentPaused";
  const paused = deployment.spec?.paused ?? false;
  if (paused === shown) return undefined;
  const [reason, message] = paused
    ? ["DeploymentPaused", "Deployment is paused"]
    : ["DeploymentResumed", "Deployment is resumed"];
  return putCondition(
    deployment.status?.conditions,
    { type: "Progressing", status: "Unknown", reason, message },
    nowMs,
  );
}
