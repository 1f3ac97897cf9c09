import { errorText, isGantryError } from "#base/errors.ts";
import { objectKey, type KubeObject, type Typed } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type {
  ControllerRevision,
  PersistentVolumeClaim,
  Pod,
  StatefulSet,
  StatefulSetStatus,
} from "#formats/kube-types.generated.ts";
import { selectorOf } from "#formats/selectors.ts";
import type { EventRecorder } from "#kube-client/events.ts";
import type { Informer } from "#kube-client/informer.ts";
import type { ReconcileResult } from "#kube-client/reconcile-loop.ts";
import { claim } from "../shared/claims.ts";
import { controller, enqueueFrom, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";
import { expectations, type Expectations } from "../shared/expectations.ts";
import { orphanSelectors } from "../shared/orphan-selectors.ts";
import {
  BY_CONTROLLER,
  controllerKey,
  controllerOf,
  indexByController,
  indexOrphans,
  ORPHANS,
} from "../shared/ownership.ts";
import { isNamespaceTerminating } from "../shared/pod-control.ts";
import { availableInMs } from "../shared/pods.ts";
import { revisionHash, revisionHistory, revisionTemplate, type RevisionHistory } from "../shared/revisions.ts";
import { sameStatus } from "../shared/semantic-equal.ts";
import { keepClaims } from "./claims.ts";
import { claimsOf, missingIdentity, ordinalOf, statefulPod } from "./identity.ts";
import { countPods, planStatefulSet, type StatefulSetAction, type StatefulSetObserved } from "./plan.ts";

const NAME = "statefulset-controller";
const RESOURCE = RESOURCES.statefulsets as Typed<KubeObject>;

export interface StatefulSetParts {
  readonly context: ControllerContext;
  readonly sets: Informer<StatefulSet>;
  readonly pods: Informer<Pod>;
  readonly claims: Informer<PersistentVolumeClaim>;
  readonly expected: Expectations<Pod>;
  /** The status says which revision pods below the partition are made of. */
  readonly expectedStatus: Expectations<StatefulSet>;
  readonly history: RevisionHistory;
  readonly events: EventRecorder;
}

/** Keeps the numbered pods of each stateful set, with a claim to storage of its own for each. */
export function statefulSetController(context: ControllerContext): Controller {
  const sets = informerOf(context, RESOURCES.statefulsets);
  const pods = informerOf(context, RESOURCES.pods);
  pods.addIndex(BY_CONTROLLER, indexByController);
  pods.addIndex(ORPHANS, indexOrphans);
  const parts: StatefulSetParts = {
    context,
    sets,
    pods,
    claims: informerOf(context, RESOURCES.persistentvolumeclaims),
    expected: expectations<Pod>(pods, objectKey),
    expectedStatus: expectations<StatefulSet>(sets, objectKey),
    history: revisionHistory(context),
    events: context.events(NAME),
  };
  const selecting = orphanSelectors(sets, (each) => selectorOf(each.spec?.selector));
  return controller(context, {
    name: NAME,
    reconcile: (key) => reconcile(parts, key),
    allKeys: () => Array.from(sets.cache.values(), objectKey),
    watch: (queue) => [
      parts.expected.requeue(queue),
      parts.expectedStatus.requeue(queue),
      enqueueFrom(sets, queue, (each) => [objectKey(each)]),
      enqueueFrom(pods, queue, (pod) => {
        const owner = controllerKey(RESOURCES.statefulsets, pod);
        if (owner !== undefined) return [owner];
        return controllerOf(pod) ? [] : selecting(pod);
      }),
    ],
  });
}

async function reconcile(parts: StatefulSetParts, key: string): Promise<ReconcileResult> {
  const set = parts.sets.cache.get(key);
  if (!set) {
    parts.expected.forget(key);
    parts.expectedStatus.forget(key);
    return undefined;
  }
  if (!parts.expected.satisfied(key) || !parts.expectedStatus.satisfied(key)) return undefined;
  const pods = await claimPods(parts, set);
  const workload = {
    object: set,
    resource: RESOURCE,
    selector: selectorOf(set.spec?.selector),
    template: set.spec?.template ?? {},
    collisionCount: set.status?.collisionCount,
  };
  const known = await parts.history.list(workload);
  const update = await parts.history.current(workload, known);
  const current = known.find(({ metadata }) => metadata.name === set.status?.currentRevision) ?? update;
  const observed: StatefulSetObserved = {
    set,
    pods,
    currentHash: revisionHash(current),
    updateHash: revisionHash(update),
    nowMs: parts.context.clock.now(),
  };
  let failure: unknown;
  for (const action of planStatefulSet(observed)) {
    try {
      await act(parts, key, set, action, [current, update]);
    } catch (error) {
      failure ??= error;
      if (set.spec?.podManagementPolicy !== "Parallel") break;
    }
  }
  await keepClaims(parts, set, pods);
  await writeStatus(parts, observed, current, update);
  if (failure !== undefined && !isNamespaceTerminating(failure)) throw failure;
  const inUse = new Set(
    [
      current,
      update,
      ...known.filter((each) =>
        pods.some((pod) => pod.metadata.labels?.["controller-revision-hash"] === revisionHash(each)),
      ),
    ].map(({ metadata }) => metadata.name ?? ""),
  );
  await parts.history.trim(known, inUse, set.spec?.revisionHistoryLimit ?? 10);
  return nextLook(observed);
}

async function claimPods({ context, pods }: StatefulSetParts, set: StatefulSet): Promise<Pod[]> {
  const { uid = "", namespace = "" } = set.metadata;
  return claim(
    {
      client: context.client,
      resource: RESOURCES.pods,
      ownerResource: RESOURCE,
      owner: set,
      selector: selectorOf(set.spec?.selector),
      adoptable: (pod) => ordinalOf(set, pod) !== undefined,
    },
    [...pods.cache.byIndex(BY_CONTROLLER, uid), ...pods.cache.byIndex(ORPHANS, namespace)],
  );
}

async function act(
  parts: StatefulSetParts,
  key: string,
  set: StatefulSet,
  action: StatefulSetAction,
  revisions: readonly ControllerRevision[],
): Promise<void> {
  switch (action.kind) {
    case "create":
      return create(parts, key, set, action.ordinal, action.hash, revisions);
    case "delete":
      return remove(parts, key, set, action.pod);
    case "identify": {
      const { namespace, name = "", uid } = action.pod.metadata;
      const body = { metadata: { uid, labels: missingIdentity(action.pod) } };
      parts.expected.wrote(
        key,
        await parts.context.client.patch(RESOURCES.pods, namespace, name, { type: "merge", body }),
      );
    }
  }
}

async function create(
  parts: StatefulSetParts,
  key: string,
  set: StatefulSet,
  ordinal: number,
  hash: string,
  revisions: readonly ControllerRevision[],
): Promise<void> {
  const revision = revisions.find((each) => revisionHash(each) === hash);
  const template = (revision && revisionTemplate(revision)) ?? set.spec?.template ?? {};
  const pod = statefulPod(set, template, ordinal, hash);
  const name = pod.metadata.name ?? "";
  const who = `Pod ${name} in StatefulSet ${set.metadata.name ?? ""}`;
  try {
    await createClaims(parts, set, ordinal, who);
    parts.expected.wrote(key, await parts.context.client.create(RESOURCES.pods, pod));
    parts.events.record(set, "Normal", "SuccessfulCreate", `create ${who} successful`);
  } catch (error) {
    // Made before its answer was lost, or another's: the cache will tell.
    if (isGantryError(error, "already-exists")) {
      parts.expected.wrote(key, await parts.context.client.get(RESOURCES.pods, set.metadata.namespace, name));
      return;
    }
    if (!isNamespaceTerminating(error)) {
      parts.events.record(set, "Warning", "FailedCreate", `create ${who} failed error: ${errorText(error)}`);
    }
    throw error;
  }
}

async function createClaims(parts: StatefulSetParts, set: StatefulSet, ordinal: number, who: string): Promise<void> {
  for (const wanted of claimsOf(set, ordinal)) {
    if (parts.claims.cache.get(objectKey(wanted))) continue;
    const what = `Claim ${wanted.metadata.name ?? ""} ${who}`;
    try {
      await parts.context.client.create(RESOURCES.persistentvolumeclaims, wanted);
      parts.events.record(set, "Normal", "SuccessfulCreate", `create ${what} success`);
    } catch (error) {
      if (isGantryError(error, "already-exists")) continue;
      parts.events.record(set, "Warning", "FailedCreate", `create ${what} failed error: ${errorText(error)}`);
      throw error;
    }
  }
}

async function remove(parts: StatefulSetParts, key: string, set: StatefulSet, pod: Pod): Promise<void> {
  const { namespace, name = "", uid } = pod.metadata;
  const who = `Pod ${name} in StatefulSet ${set.metadata.name ?? ""}`;
  try {
    await parts.context.client.delete(RESOURCES.pods, namespace, name, { preconditions: { uid } });
    parts.events.record(set, "Normal", "SuccessfulDelete", `delete ${who} successful`);
  } catch (error) {
    if (!isGantryError(error, "not-found") && !isGantryError(error, "conflict")) {
      parts.events.record(set, "Warning", "FailedDelete", `delete ${who} failed error: ${errorText(error)}`);
      throw error;
    }
  }
  parts.expected.deleted(key, pod);
}

/** When all pods are of the update revision and well, it becomes the current one. */
async function writeStatus(
  parts: StatefulSetParts,
  observed: StatefulSetObserved,
  current: ControllerRevision,
  update: ControllerRevision,
): Promise<void> {
  const { set } = observed;
  const counts = countPods(observed);
  const complete =
    set.spec?.updateStrategy?.type !== "OnDelete" &&
    counts.updatedReplicas === counts.replicas &&
    counts.readyReplicas === counts.replicas &&
    counts.replicas === (set.spec?.replicas ?? 1);
  const status: StatefulSetStatus = {
    ...set.status,
    ...counts,
    observedGeneration: set.metadata.generation,
    currentRevision: complete ? update.metadata.name : current.metadata.name,
    updateRevision: update.metadata.name,
    currentReplicas: complete ? counts.updatedReplicas : counts.currentReplicas,
  };
  if (sameStatus(status, set.status)) return;
  const written = await parts.context.client.update(RESOURCES.statefulsets, { ...set, status }, "status");
  parts.expectedStatus.wrote(objectKey(set), written);
}

function nextLook({ set, pods, nowMs }: StatefulSetObserved): ReconcileResult {
  const seconds = set.spec?.minReadySeconds ?? 0;
  if (seconds === 0) return undefined;
  const waits = pods.flatMap((pod) => availableInMs(pod, seconds, nowMs) || []);
  return waits.length === 0 ? undefined : { requeueAfterMs: Math.min(...waits) };
}
