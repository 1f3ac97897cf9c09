import { objectKey, type KubeObject, type Typed } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { ControllerRevision, DaemonSet, Node, NodeSelector, Pod } from "#formats/kube-types.generated.ts";
import { selectorOf } from "#formats/selectors.ts";
import { backoff, type Backoff } from "#kube-client/backoff.ts";
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
import { isNamespaceTerminating, podControl, podFromTemplate, type PodControl } from "../shared/pod-control.ts";
import { availableInMs } from "../shared/pods.ts";
import { revisionHash, revisionHistory, REVISION_LABEL, type RevisionHistory } from "../shared/revisions.ts";
import { sameStatus, semanticEqual } from "../shared/semantic-equal.ts";
import { slowStart } from "../shared/slow-start.ts";
import { daemonTolerations } from "./eligible.ts";
import { daemonStatus, planDaemons, type DaemonSetObserved, type DaemonSetPlan } from "./plan.ts";

const NAME = "daemonset-controller";
const BURST = 250;
/** Between tries of a daemon that keeps failing on a node. */
const FAILED_BACKOFF = { initialMs: 1000, maxMs: 900_000 };
const RESOURCE = RESOURCES.daemonsets as Typed<KubeObject>;

interface Parts {
  readonly context: ControllerContext;
  readonly daemonSets: Informer<DaemonSet>;
  readonly pods: Informer<Pod>;
  readonly nodes: Informer<Node>;
  readonly expected: Expectations<Pod>;
  readonly podControl: PodControl;
  readonly history: RevisionHistory;
  readonly events: EventRecorder;
  /** By `namespace/name/node`: when the next failed pod may be replaced. */
  readonly failing: Map<string, { readonly delays: Backoff; readonly notBeforeMs: number }>;
}

/** Keeps one pod of each daemon set on each node that should have it. */
export function daemonSetController(context: ControllerContext): Controller {
  const daemonSets = informerOf(context, RESOURCES.daemonsets);
  const pods = informerOf(context, RESOURCES.pods);
  const nodes = informerOf(context, RESOURCES.nodes);
  pods.addIndex(BY_CONTROLLER, indexByController);
  pods.addIndex(ORPHANS, indexOrphans);
  const { client, random } = context;
  const events = context.events(NAME);
  const expected = expectations<Pod>(pods, objectKey);
  const parts: Parts = {
    context,
    daemonSets,
    pods,
    nodes,
    expected,
    events,
    podControl: podControl({ client, random, expected, events, pods }),
    history: revisionHistory(context),
    failing: new Map(),
  };
  const selecting = orphanSelectors(daemonSets, (each) => selectorOf(each.spec?.selector));
  return controller(context, {
    name: NAME,
    workers: 2,
    reconcile: (key) => reconcile(parts, key),
    allKeys: () => Array.from(daemonSets.cache.values(), objectKey),
    watch: (queue) => [
      expected.requeue(queue),
      enqueueFrom(daemonSets, queue, (each) => [objectKey(each)]),
      enqueueFrom(pods, queue, (pod) => {
        const owner = controllerKey(RESOURCES.daemonsets, pod);
        if (owner !== undefined) return [owner];
        return controllerOf(pod) ? [] : selecting(pod);
      }),
      enqueueFrom(nodes, queue, () => Array.from(daemonSets.cache.values(), objectKey), nodeChanged),
    ],
  });
}

/** Heartbeats do not matter. */
function nodeChanged(before: Node, after: Node): boolean {
  return !semanticEqual(before.metadata.labels, after.metadata.labels) || !semanticEqual(before.spec, after.spec);
}

async function reconcile(parts: Parts, key: string): Promise<ReconcileResult> {
  const daemonSet = parts.daemonSets.cache.get(key);
  if (!daemonSet) {
    parts.expected.forget(key);
    parts.podControl.forget(key);
    for (const each of parts.failing.keys()) if (each.startsWith(`${key}/`)) parts.failing.delete(each);
    return undefined;
  }
  if (daemonSet.metadata.deletionTimestamp || !parts.expected.satisfied(key)) return undefined;
  const { selector, template, revisionHistoryLimit = 10 } = daemonSet.spec ?? {};
  const workload = {
    object: daemonSet,
    resource: RESOURCE,
    selector: selectorOf(selector),
    template: template ?? {},
    collisionCount: daemonSet.status?.collisionCount,
  };
  const known = await parts.history.list(workload);
  const revision = await parts.history.current(workload, known);
  const observed = await observe(parts, daemonSet, revision);
  const { error, waitMs } = await act(parts, key, observed, planDaemons(observed));
  const status = daemonStatus(observed);
  if (!sameStatus(status, daemonSet.status)) {
    await parts.context.client.update(RESOURCES.daemonsets, { ...daemonSet, status }, "status");
  }
  if (error !== undefined) throw error;
  const live = new Set(
    Array.from(observed.podsByNode.values())
      .flat()
      .map((pod) => pod.metadata.labels?.[REVISION_LABEL] ?? ""),
  );
  const inUse = new Set(
    [...known, revision]
      .filter((each) => live.has(revisionHash(each)) || each === revision)
      .map(({ metadata }) => metadata.name ?? ""),
  );
  await parts.history.trim(known, inUse, revisionHistoryLimit);
  const waits = [waitMs, nextAvailableInMs(observed)].filter((wait) => wait !== undefined);
  return waits.length === 0 ? undefined : { requeueAfterMs: Math.min(...waits) };
}

async function observe(parts: Parts, daemonSet: DaemonSet, revision: ControllerRevision): Promise<DaemonSetObserved> {
  const { context, pods, nodes } = parts;
  const { uid = "", namespace = "" } = daemonSet.metadata;
  parts.podControl.observed(objectKey(daemonSet));
  const claimed = await claim(
    {
      client: context.client,
      resource: RESOURCES.pods,
      ownerResource: RESOURCE,
      owner: daemonSet,
      selector: selectorOf(daemonSet.spec?.selector),
    },
    [...pods.cache.byIndex(BY_CONTROLLER, uid), ...pods.cache.byIndex(ORPHANS, namespace)],
  );
  return {
    daemonSet,
    nodes: Array.from(nodes.cache.values()),
    podsByNode: Map.groupBy(claimed, targetNode),
    hash: revisionHash(revision),
    nowMs: context.clock.now(),
  };
}

/** The node of a pod: where it is, or the one that its affinity names. */
function targetNode(pod: Pod): string {
  if (pod.spec?.nodeName) return pod.spec.nodeName;
  const terms =
    pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  return (
    terms.flatMap(({ matchFields = [] }) => matchFields).find(({ key }) => key === "metadata.name")?.values?.[0] ?? ""
  );
}

async function act(
  parts: Parts,
  key: string,
  { daemonSet, hash }: DaemonSetObserved,
  plan: DaemonSetPlan,
): Promise<{ error: unknown; waitMs: number | undefined }> {
  const waits: number[] = [];
  const removable = plan.delete.filter((pod) => {
    if (!plan.failed.includes(pod)) return true;
    const wait = failedWait(parts, `${key}/${targetNode(pod)}`);
    if (wait > 0) waits.push(wait);
    else reportEnded(parts, daemonSet, pod);
    return wait <= 0;
  });
  const nodes = plan.create.slice(0, BURST);
  const created = await slowStart(nodes.length, (index) => {
    const node = nodes[index] ?? "";
    return parts.podControl.create(key, daemonSet, daemonPod(daemonSet, node, hash), `${node} ${hash}`);
  });
  const deleted = await Promise.allSettled(
    removable.slice(0, BURST).map((pod) => parts.podControl.delete(key, daemonSet, pod)),
  );
  const failure = isNamespaceTerminating(created.error) ? undefined : created.error;
  const error: unknown = failure ?? deleted.find((each) => each.status === "rejected")?.reason;
  return { error, waitMs: waits.length === 0 ? undefined : Math.min(...waits) };
}

/** How long the next replacement on a node has to wait; counts this one when it need not. */
function failedWait({ context, failing }: Parts, key: string): number {
  const now = context.clock.now();
  const known = failing.get(key);
  if (known && known.notBeforeMs > now) return known.notBeforeMs - now;
  const delays = known?.delays ?? backoff(FAILED_BACKOFF, context.random);
  failing.set(key, { delays, notBeforeMs: now + delays.next() });
  return 0;
}

function reportEnded({ events }: Parts, daemonSet: DaemonSet, pod: Pod): void {
  const [type, reason, word] =
    pod.status?.phase === "Failed"
      ? (["Warning", "FailedDaemonPod", "failed"] as const)
      : (["Normal", "SucceededDaemonPod", "succeeded"] as const);
  const text = `Found ${word} daemon pod ${objectKey(pod)} on node ${targetNode(pod)}, will try to ${word === "failed" ? "kill" : "delete"} it`;
  events.record(daemonSet, type, reason, text);
}

/** A pod for one node: the scheduler places it there and nowhere else. */
function daemonPod(daemonSet: DaemonSet, nodeName: string, hash: string): Pod {
  const pod = podFromTemplate(daemonSet.spec?.template ?? {}, RESOURCES.daemonsets, daemonSet);
  const spec = pod.spec ?? { containers: [] };
  const only: NodeSelector = {
    nodeSelectorTerms: [{ matchFields: [{ key: "metadata.name", operator: "In", values: [nodeName] }] }],
  };
  const nodeAffinity = { ...spec.affinity?.nodeAffinity, requiredDuringSchedulingIgnoredDuringExecution: only };
  return {
    ...pod,
    metadata: { ...pod.metadata, labels: { ...pod.metadata.labels, [REVISION_LABEL]: hash } },
    spec: { ...spec, affinity: { ...spec.affinity, nodeAffinity }, tolerations: daemonTolerations(spec) },
  };
}

function nextAvailableInMs({ daemonSet, podsByNode, nowMs }: DaemonSetObserved): number | undefined {
  const seconds = daemonSet.spec?.minReadySeconds ?? 0;
  if (seconds === 0) return undefined;
  const waits = Array.from(podsByNode.values())
    .flat()
    .flatMap((pod) => availableInMs(pod, seconds, nowMs) || []);
  return waits.length === 0 ? undefined : Math.min(...waits);
}
