import { isGantryError } from "#base/errors.ts";
import { objectKey } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import { parseKubeTime } from "#formats/kube-time.ts";
import type { Node, Pod } from "#formats/kube-types.generated.ts";
import type { Informer } from "#kube-client/informer.ts";
import type { ReconcileResult } from "#kube-client/reconcile-loop.ts";
import { BY_NODE, indexByNode } from "../shared/by-node.ts";
import { controller, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";
import { disrupt } from "../shared/evict-pod.ts";
import { isFinished, isTerminating } from "../shared/pods.ts";

/** Finished pods kept at most (--terminated-pod-gc-threshold); past that the oldest go. */
const FINISHED_THRESHOLD = 12_500;
/** How long a node must be gone before its pods are given up: it may only be making itself anew. */
const QUARANTINE_MS = 40_000;
const OUT_OF_SERVICE = "node.kubernetes.io/out-of-service";
/** Work that is not about one pod. */
const FINISHED = "finished-pods";

interface Parts {
  readonly context: ControllerContext;
  readonly pods: Informer<Pod>;
  readonly nodes: Informer<Node>;
  /** Nodes that are not there, and since when. */
  readonly missing: Map<string, number>;
  finished: number;
}

/** Removes pods that nobody else would: of nodes that are gone or out of service, deleted before they were placed, and finished ones past a number. */
export function podGcController(context: ControllerContext): Controller {
  const pods = informerOf(context, RESOURCES.pods);
  const nodes = informerOf(context, RESOURCES.nodes);
  pods.addIndex(BY_NODE, indexByNode);
  const parts: Parts = { context, pods, nodes, missing: new Map(), finished: 0 };
  return controller(context, {
    name: "pod-garbage-collector-controller",
    reconcile: (key) => (key === FINISHED ? trimFinished(parts) : reconcile(parts, key)),
    watch: (queue) => [
      pods.addHandler({
        add(pod) {
          if (isFinished(pod)) parts.finished++;
          queue.add(objectKey(pod));
        },
        update(before, after) {
          if (isFinished(after) && !isFinished(before)) parts.finished++;
          if (parts.finished > FINISHED_THRESHOLD) queue.add(FINISHED);
          if (isTerminating(after) || before.spec?.nodeName !== after.spec?.nodeName) queue.add(objectKey(after));
        },
        delete(pod) {
          if (isFinished(pod)) parts.finished--;
        },
      }),
      nodes.addHandler({
        add: ({ metadata }) => parts.missing.delete(metadata.name ?? ""),
        update(_, node) {
          if (!isOutOfService(node)) return;
          for (const pod of pods.cache.byIndex(BY_NODE, objectKey(node))) queue.add(objectKey(pod));
        },
        delete: (node) => pods.cache.byIndex(BY_NODE, objectKey(node)).forEach((pod) => queue.add(objectKey(pod))),
      }),
    ],
  });
}

async function reconcile(parts: Parts, key: string): Promise<ReconcileResult> {
  const { context, pods, nodes } = parts;
  const pod = pods.cache.get(key);
  if (!pod) return undefined;
  const nodeName = pod.spec?.nodeName;
  if (!nodeName) {
    if (isTerminating(pod))
      await context.client
        .delete(RESOURCES.pods, pod.metadata.namespace, pod.metadata.name ?? "", force(pod))
        .catch(ignoreGone);
    return undefined;
  }
  const node = nodes.cache.get(nodeName);
  if (!node) return giveUpOrphan(parts, pod, nodeName);
  if (isTerminating(pod) && isOutOfService(node)) {
    const reason = { reason: "DeletionByPodGC", message: "PodGC: node is out of service" };
    await disrupt(context, pod, { ...reason, failed: !isFinished(pod), gracePeriodSeconds: 0 });
  }
  return undefined;
}

async function giveUpOrphan(parts: Parts, pod: Pod, nodeName: string): Promise<ReconcileResult> {
  const { context, missing } = parts;
  const now = context.clock.now();
  const since = missing.get(nodeName) ?? now;
  missing.set(nodeName, since);
  if (since + QUARANTINE_MS > now) return { requeueAfterMs: since + QUARANTINE_MS - now };
  // The cache may be late: only the API knows that there is no such node.
  if (await nodeExists(context, nodeName)) return undefined;
  await disrupt(context, pod, {
    reason: "DeletionByPodGC",
    message: "PodGC: node no longer exists",
    failed: !isFinished(pod),
    gracePeriodSeconds: 0,
  });
  if (parts.pods.cache.byIndex(BY_NODE, nodeName).length <= 1) missing.delete(nodeName);
  return undefined;
}

async function nodeExists(context: ControllerContext, name: string): Promise<boolean> {
  try {
    await context.client.get(RESOURCES.nodes, undefined, name);
    return true;
  } catch (error) {
    if (isGantryError(error, "not-found")) return false;
    throw error;
  }
}

async function trimFinished({ context, pods }: Parts): Promise<undefined> {
  const finished = Array.from(pods.cache.values()).filter((pod) => isFinished(pod) && !isTerminating(pod));
  const surplus = finished.length - FINISHED_THRESHOLD;
  if (surplus <= 0) return undefined;
  const created = (pod: Pod): number => parseKubeTime(pod.metadata.creationTimestamp) ?? 0;
  for (const pod of finished.toSorted((a, b) => created(a) - created(b)).slice(0, surplus)) {
    await context.client
      .delete(RESOURCES.pods, pod.metadata.namespace, pod.metadata.name ?? "", force(pod))
      .catch(ignoreGone);
  }
  return undefined;
}

function force({ metadata }: Pod) {
  return { gracePeriodSeconds: 0, preconditions: { uid: metadata.uid } };
}

function ignoreGone(error: unknown): void {
  if (!isGantryError(error, "not-found") && !isGantryError(error, "conflict")) throw error;
}

/** The administrator's word that the machine is off: its pods can go without it. */
function isOutOfService(node: Node): boolean {
  return node.spec?.taints?.some(({ key }) => key === OUT_OF_SERVICE) ?? false;
}
