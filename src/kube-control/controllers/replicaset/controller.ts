import { errorText } from "#base/errors.ts";
import { objectKey, type KubeObject, type Typed } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { Pod, ReplicaSet, ReplicaSetStatus } from "#formats/kube-types.generated.ts";
import { selectorOf } from "#formats/selectors.ts";
import type { Informer } from "#kube-client/informer.ts";
import type { ReconcileResult } from "#kube-client/reconcile-loop.ts";
import { claim } from "../shared/claims.ts";
import { controller, enqueueFrom, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";
import { expectations, type Expectations } from "../shared/expectations.ts";
import {
  BY_CONTROLLER,
  controllerKey,
  controllerOf,
  indexByController,
  indexOrphans,
  ORPHANS,
} from "../shared/ownership.ts";
import { isNamespaceTerminating, podControl, podFromTemplate, type PodControl } from "../shared/pod-control.ts";
import { isActive } from "../shared/pods.ts";
import { orphanSelectors } from "../shared/orphan-selectors.ts";
import { sameStatus } from "../shared/semantic-equal.ts";
import { slowStart } from "../shared/slow-start.ts";
import {
  nextAvailableInMs,
  planReplicas,
  replicaSetStatus,
  type ReplicaFailure,
  type ReplicaSetAction,
  type ReplicaSetObserved,
} from "./plan.ts";

/** The ReplicaSet controller, and with another resource the one of ReplicationControllers: both keep a number of like pods. */
export interface ReplicaSetKind {
  readonly name: string;
  readonly component: string;
  readonly resource: Typed<ReplicaSet>;
  /** An object of the resource as a replica set, and back; the same when they are absent. */
  readonly read?: (object: ReplicaSet) => ReplicaSet;
  readonly write?: (object: ReplicaSet) => ReplicaSet;
}

const REPLICA_SET: ReplicaSetKind = {
  name: "replicaset-controller",
  component: "replicaset-controller",
  resource: RESOURCES.replicasets,
};

interface Parts {
  readonly context: ControllerContext;
  readonly kind: ReplicaSetKind;
  readonly replicaSets: Informer<ReplicaSet>;
  readonly pods: Informer<Pod>;
  readonly expected: Expectations<Pod>;
  readonly podControl: PodControl;
}

/** Keeps as many pods of each replica set as it asks for. */
export function replicaSetController(context: ControllerContext, kind: ReplicaSetKind = REPLICA_SET): Controller {
  const replicaSets = informerOf(context, kind.resource);
  const pods = informerOf(context, RESOURCES.pods);
  replicaSets.addIndex(BY_CONTROLLER, indexByController);
  pods.addIndex(BY_CONTROLLER, indexByController);
  pods.addIndex(ORPHANS, indexOrphans);
  const expected = expectations<Pod>(pods, objectKey);
  const { client, random } = context;
  const control = podControl({ client, random, expected, pods, events: context.events(kind.component) });
  const parts: Parts = { context, kind, replicaSets, pods, expected, podControl: control };
  const selecting = orphanSelectors(replicaSets, (object) => selectorOf(readAs(kind, object).spec?.selector));
  return controller(context, {
    name: kind.name,
    reconcile: (key) => reconcile(parts, key),
    allKeys: () => Array.from(replicaSets.cache.values(), objectKey),
    watch: (queue) => [
      expected.requeue(queue),
      enqueueFrom(replicaSets, queue, (replicaSet) => [objectKey(replicaSet)]),
      enqueueFrom(pods, queue, (pod) => {
        const owner = controllerKey(kind.resource, pod);
        if (owner !== undefined) return [owner];
        return controllerOf(pod) ? [] : selecting(pod);
      }),
    ],
  });
}

function readAs({ read }: ReplicaSetKind, object: ReplicaSet): ReplicaSet {
  return read ? read(object) : object;
}

async function reconcile(parts: Parts, key: string): Promise<ReconcileResult> {
  const { context, expected } = parts;
  const object = parts.replicaSets.cache.get(key);
  if (!object) {
    expected.forget(key);
    parts.podControl.forget(key);
    return undefined;
  }
  // The cache does not show the last writes yet: the events that bring them bring this replica set back.
  if (!expected.satisfied(key)) return undefined;
  const replicaSet = readAs(parts.kind, object);
  const observed = await observe(parts, key, replicaSet);
  const failure = await act(parts, key, replicaSet, planReplicas(observed));
  const status = replicaSetStatus(observed, failure?.condition);
  await writeStatus(parts, replicaSet, status);
  if (failure) throw failure.error;
  const wait = nextAvailableInMs({ ...observed, nowMs: context.clock.now() });
  return wait === undefined ? undefined : { requeueAfterMs: wait };
}

async function observe(parts: Parts, key: string, replicaSet: ReplicaSet): Promise<ReplicaSetObserved> {
  const { context, kind, pods, replicaSets } = parts;
  parts.podControl.observed(key);
  const { namespace = "", uid = "" } = replicaSet.metadata;
  const candidates = [...pods.cache.byIndex(BY_CONTROLLER, uid), ...pods.cache.byIndex(ORPHANS, namespace)];
  const claimed = await claim(
    {
      client: context.client,
      resource: RESOURCES.pods,
      ownerResource: kind.resource as Typed<KubeObject>,
      owner: replicaSet,
      selector: selectorOf(replicaSet.spec?.selector),
      adoptable: isActive,
    },
    candidates,
  );
  return {
    replicaSet,
    pods: claimed,
    relatedOnNode: relatedCounter(replicaSet, replicaSets, pods),
    isDoomed: parts.podControl.isDoomed,
    nowMs: context.clock.now(),
  };
}

/** Counts, when first asked, the active pods of all replica sets of the same owner by node. */
function relatedCounter(
  replicaSet: ReplicaSet,
  replicaSets: Informer<ReplicaSet>,
  pods: Informer<Pod>,
): (nodeName: string) => number {
  let counts: Map<string, number> | undefined;
  return (nodeName) => {
    if (!counts) {
      counts = new Map();
      const owner = controllerOf(replicaSet);
      const related = owner ? replicaSets.cache.byIndex(BY_CONTROLLER, owner.uid) : [replicaSet];
      for (const each of related) {
        for (const pod of pods.cache.byIndex(BY_CONTROLLER, each.metadata.uid ?? "")) {
          const node = pod.spec?.nodeName;
          if (node && isActive(pod)) counts.set(node, (counts.get(node) ?? 0) + 1);
        }
      }
    }
    return counts.get(nodeName) ?? 0;
  };
}

interface Failure {
  readonly error: unknown;
  readonly condition: ReplicaFailure;
}

async function act(
  parts: Parts,
  key: string,
  replicaSet: ReplicaSet,
  action: ReplicaSetAction,
): Promise<Failure | undefined> {
  if (action.kind === "create") return create(parts, key, replicaSet, action.count);
  if (action.kind === "none") return undefined;
  const results = await Promise.allSettled(action.pods.map((pod) => parts.podControl.delete(key, replicaSet, pod)));
  const failed = results.find((result) => result.status === "rejected");
  if (!failed) return undefined;
  const condition: ReplicaFailure = { reason: "FailedDelete", message: errorText(failed.reason) };
  return { error: failed.reason, condition };
}

async function create(parts: Parts, key: string, replicaSet: ReplicaSet, count: number): Promise<Failure | undefined> {
  const template = replicaSet.spec?.template;
  if (!template) return undefined;
  const { error } = await slowStart(count, () =>
    parts.podControl.create(key, replicaSet, podFromTemplate(template, parts.kind.resource, replicaSet)),
  );
  if (error === undefined || isNamespaceTerminating(error)) return undefined;
  return { error, condition: { reason: "FailedCreate", message: errorText(error) } };
}

async function writeStatus(parts: Parts, replicaSet: ReplicaSet, status: ReplicaSetStatus): Promise<void> {
  if (sameStatus(replicaSet.status, status)) return;
  const { context, kind } = parts;
  const written = { ...replicaSet, status };
  await context.client.update(kind.resource, kind.write ? kind.write(written) : written, "status");
}
