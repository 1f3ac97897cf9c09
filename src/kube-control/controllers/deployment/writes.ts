import { errorText, isGantryError } from "#base/errors.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { Deployment, DeploymentStatus, ReplicaSet } from "#formats/kube-types.generated.ts";
import type { ReconcileResult } from "#kube-client/reconcile-loop.ts";
import { controllerOf } from "../shared/ownership.ts";
import { isNamespaceTerminating } from "../shared/pod-control.ts";
import { sameStatus, semanticEqual } from "../shared/semantic-equal.ts";
import { maxRevision, newReplicaSetAnnotations, REVISION, sizeAnnotations } from "./annotations.ts";
import { newReplicaSetSize, replicasOf, type Resize } from "./arithmetic.ts";
import type { DeploymentParts, Rollout } from "./parts.ts";
import { makeReplicaSet, pastHistory, sameTemplate } from "./replica-sets.ts";
import { deadlineInMs, hasDeadline, progressing, putCondition, rolloutStatus } from "./status.ts";

/** Writes the status when it changed. */
export async function writeStatus(
  parts: DeploymentParts,
  deployment: Deployment,
  status: DeploymentStatus,
): Promise<Deployment> {
  if (sameStatus(deployment.status, status)) return deployment;
  return parts.context.client.update(RESOURCES.deployments, { ...deployment, status }, "status");
}

/** Writes the status of a rollout, and asks to be called again when its deadline may have passed. */
export async function finish(
  parts: DeploymentParts,
  rollout: Rollout,
  deployment: Deployment,
): Promise<ReconcileResult> {
  const all = [...rollout.old, ...(rollout.newOne ? [rollout.newOne] : [])];
  const nowMs = parts.context.clock.now();
  const status = rolloutStatus(deployment, all, rollout.newOne, nowMs);
  const wait = deadlineInMs(deployment, status, nowMs);
  await writeStatus(parts, deployment, status);
  return wait === undefined ? undefined : { requeueAfterMs: wait };
}

function update(parts: DeploymentParts, key: string, replicaSet: ReplicaSet): Promise<ReplicaSet> {
  return parts.writes.write(key, replicaSet, () => parts.context.client.update(RESOURCES.replicasets, replicaSet));
}

/** Gives a replica set its size; true when that changed anything of its pods. */
export async function resize(parts: DeploymentParts, rollout: Rollout, { replicaSet, to }: Resize): Promise<boolean> {
  const { deployment, key } = rollout;
  const annotations = { ...replicaSet.metadata.annotations, ...sizeAnnotations(deployment) };
  const from = replicasOf(replicaSet);
  if (from === to && semanticEqual(annotations, replicaSet.metadata.annotations)) return false;
  await update(parts, key, {
    ...replicaSet,
    metadata: { ...replicaSet.metadata, annotations },
    spec: { ...replicaSet.spec, selector: replicaSet.spec?.selector ?? {}, replicas: to },
  });
  if (from === to) return false;
  const name = replicaSet.metadata.name ?? "";
  const text = `Scaled ${from < to ? "up" : "down"} replica set ${name} from ${from} to ${to}`;
  parts.events.record(deployment, "Normal", "ScalingReplicaSet", text);
  return true;
}

/** The rollout with its revision, annotations and, when `create`, its new replica set in order; undefined when a write must be seen first. */
export async function withNewReplicaSet(
  parts: DeploymentParts,
  rollout: Rollout,
  create: boolean,
): Promise<Rollout | undefined> {
  const { deployment, newOne, old } = rollout;
  const revision = maxRevision(old) + 1;
  if (!newOne) return create ? createNew(parts, rollout, revision) : rollout;
  const annotations = newReplicaSetAnnotations(deployment, newOne.metadata.annotations ?? {}, revision);
  const minReadySeconds = deployment.spec?.minReadySeconds ?? 0;
  const sameReady = (newOne.spec?.minReadySeconds ?? 0) === minReadySeconds;
  if (!sameReady || !semanticEqual(annotations, newOne.metadata.annotations)) {
    await update(parts, rollout.key, {
      ...newOne,
      metadata: { ...newOne.metadata, annotations },
      spec: { ...newOne.spec, selector: newOne.spec?.selector ?? {}, minReadySeconds },
    });
    return undefined;
  }
  const revised = await markRevision(parts, deployment, annotations[REVISION]);
  if (!hasDeadline(revised) || progressing(revised.status?.conditions)) return { ...rollout, deployment: revised };
  const message = `Found new replica set "${newOne.metadata.name ?? ""}"`;
  return { ...rollout, deployment: await markProgress(parts, revised, "FoundNewReplicaSet", message) };
}

async function createNew(parts: DeploymentParts, rollout: Rollout, revision: number): Promise<Rollout | undefined> {
  const { deployment, old, key } = rollout;
  const made = makeReplicaSet(deployment, revision);
  const size = newReplicaSetSize(deployment, old, 0);
  made.spec = { ...made.spec, selector: made.spec?.selector ?? {}, replicas: size };
  const name = made.metadata.name ?? "";
  let created: ReplicaSet;
  try {
    created = await parts.writes.write(key, made, () => parts.context.client.create(RESOURCES.replicasets, made));
  } catch (error) {
    const taken = isGantryError(error, "already-exists") && (await takenName(parts, deployment, name));
    if (taken) parts.expected.wrote(key, taken);
    else await creationFailed(parts, deployment, name, error);
    return undefined;
  }
  if (size > 0) {
    parts.events.record(deployment, "Normal", "ScalingReplicaSet", `Scaled up replica set ${name} from 0 to ${size}`);
  }
  const revised = await markRevision(parts, deployment, created.metadata.annotations?.[REVISION]);
  const shown = hasDeadline(revised)
    ? await markProgress(parts, revised, "NewReplicaSetCreated", `Created new replica set "${name}"`)
    : revised;
  return { ...rollout, deployment: shown, newOne: created };
}

/** The replica set of a name that is taken, when it is the one wanted; otherwise another name is chosen for the next try. */
async function takenName(
  parts: DeploymentParts,
  deployment: Deployment,
  name: string,
): Promise<ReplicaSet | undefined> {
  const found = await parts.context.client.get(RESOURCES.replicasets, deployment.metadata.namespace, name);
  const ours = controllerOf(found)?.uid === deployment.metadata.uid;
  if (ours && sameTemplate(found.spec?.template, deployment.spec?.template)) return found;
  const collisionCount = (deployment.status?.collisionCount ?? 0) + 1;
  await writeStatus(parts, deployment, { ...deployment.status, collisionCount });
  return undefined;
}

async function creationFailed(
  parts: DeploymentParts,
  deployment: Deployment,
  name: string,
  error: unknown,
): Promise<void> {
  // A name collision was noted; a namespace that goes away needs nothing more.
  if (isGantryError(error, "already-exists") || isNamespaceTerminating(error)) return;
  const message = `Failed to create new replica set "${name}": ${errorText(error)}`;
  if (hasDeadline(deployment)) await markProgress(parts, deployment, "ReplicaSetCreateError", message, "False");
  parts.events.record(deployment, "Warning", "ReplicaSetCreateError", message);
  throw error;
}

async function markProgress(
  parts: DeploymentParts,
  deployment: Deployment,
  reason: string,
  message: string,
  status = "True",
): Promise<Deployment> {
  const condition = { type: "Progressing", status, reason, message };
  const conditions = putCondition(deployment.status?.conditions, condition, parts.context.clock.now());
  return writeStatus(parts, deployment, { ...deployment.status, conditions });
}

/** The deployment shows the revision of its present template. */
async function markRevision(
  parts: DeploymentParts,
  deployment: Deployment,
  revision: string | undefined,
): Promise<Deployment> {
  if (revision === undefined || deployment.metadata.annotations?.[REVISION] === revision) return deployment;
  const { namespace, name = "", uid } = deployment.metadata;
  const body = { metadata: { uid, annotations: { [REVISION]: revision } } };
  return parts.context.client.patch(RESOURCES.deployments, namespace, name, { type: "merge", body });
}

/** Deletes replica sets that history no longer keeps. */
export async function cleanUp(parts: DeploymentParts, rollout: Rollout): Promise<void> {
  for (const { metadata } of pastHistory(rollout.deployment, rollout.old)) {
    const { namespace, name = "", uid } = metadata;
    await parts.context.client
      .delete(RESOURCES.replicasets, namespace, name, { preconditions: { uid } })
      .catch((error: unknown) => {
        if (!isGantryError(error, "not-found") && !isGantryError(error, "conflict")) throw error;
      });
  }
}
