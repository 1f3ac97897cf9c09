import { isGantryError } from "#base/errors.ts";
import { objectKey } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import { kubeTime } from "#formats/kube-time.ts";
import type { Lease, Node, Pod } from "#formats/kube-types.generated.ts";
import type { EventRecorder } from "#kube-client/events.ts";
import type { Informer } from "#kube-client/informer.ts";
import type { ReconcileResult } from "#kube-client/reconcile-loop.ts";
import { controller, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";
import { BY_NODE, indexByNode } from "../shared/by-node.ts";
import { isFinished, isReady } from "../shared/pods.ts";
import { semanticEqual } from "../shared/semantic-equal.ts";
import { nodeHealth, type NodeHealth } from "./health.ts";
import { unknownConditions } from "./silence.ts";
import { desiredTaints, nodeCondition, noExecuteKey, NOT_READY, UNREACHABLE } from "./taints.ts";
import { zoneOf, zonePaces } from "./zones.ts";

const NAME = "node-lifecycle-controller";
const LEASE_NAMESPACE = "kube-node-lease";

interface Parts {
  readonly context: ControllerContext;
  readonly nodes: Informer<Node>;
  readonly pods: Informer<Pod>;
  readonly health: NodeHealth;
  readonly events: EventRecorder;
  /** When a node of each zone was last given up. */
  readonly lastEviction: Map<string, number>;
}

/** Marks nodes that fall silent, taints nodes by their conditions, and gives up those that stay away, at the pace their zone allows. */
export function nodeLifecycleController(context: ControllerContext): Controller {
  const nodes = informerOf(context, RESOURCES.nodes);
  const leases = informerOf(context, RESOURCES.leases);
  const pods = informerOf(context, RESOURCES.pods);
  pods.addIndex(BY_NODE, indexByNode);
  const health = nodeHealth(context.clock, (name) => made.queueAdd(name));
  const parts: Parts = { context, nodes, pods, health, events: context.events(NAME), lastEviction: new Map() };
  const made: { queueAdd: (key: string) => void } = { queueAdd: () => undefined };
  const inner = controller(context, {
    name: NAME,
    reconcile: (key) => reconcile(parts, key),
    allKeys: () => Array.from(nodes.cache.values(), objectKey),
    watch(queue) {
      made.queueAdd = (name) => void queue.add(name);
      return [watchNodes(parts, queue.add), watchLeases(leases, nodes, health, queue.add)];
    },
  });
  return {
    name: inner.name,
    start: inner.start,
    get idle() {
      return inner.idle;
    },
    async stop() {
      health.stop();
      await inner.stop();
    },
  };
}

function watchNodes({ nodes, health }: Parts, add: (key: string) => void): () => void {
  return nodes.addHandler({
    add(node) {
      health.heard(objectKey(node));
      add(objectKey(node));
    },
    update(before, after) {
      // The kubelet's own word is as good as its lease's.
      if (heartbeat(before) !== heartbeat(after)) health.heard(objectKey(after));
      add(objectKey(after));
      // Its zone may have changed state, and with it what may happen to its neighbours.
      if (nodeCondition(before, "Ready")?.status !== nodeCondition(after, "Ready")?.status) {
        for (const node of nodes.cache.values()) if (noExecuteKey(node)) add(objectKey(node));
      }
    },
    delete: (node) => health.forget(objectKey(node)),
  });
}

function heartbeat(node: Node): string | undefined {
  return nodeCondition(node, "Ready")?.lastHeartbeatTime;
}

function watchLeases(
  leases: Informer<Lease>,
  nodes: Informer<Node>,
  health: NodeHealth,
  add: (key: string) => void,
): () => void {
  const see = ({ metadata }: Lease): void => {
    const { namespace, name = "" } = metadata;
    if (namespace !== LEASE_NAMESPACE || !nodes.cache.get(name)) return;
    const wasSilent = health.isSilent(name);
    health.heard(name);
    if (wasSilent) add(name);
  };
  return leases.addHandler({
    add: see,
    update(before, after) {
      if (before.spec?.renewTime !== after.spec?.renewTime) see(after);
    },
  });
}

async function reconcile(parts: Parts, key: string): Promise<ReconcileResult> {
  const { context, nodes, health } = parts;
  const cached = nodes.cache.get(key);
  if (!cached) return undefined;
  const silent = health.isSilent(key) ? unknownConditions(cached, context.clock.now()) : undefined;
  let node = cached;
  if (silent) {
    node = await context.client.update(
      RESOURCES.nodes,
      { ...cached, status: { ...cached.status, conditions: silent } },
      "status",
    );
    parts.events.record(node, "Normal", "NodeNotReady", `Node ${key} status is now: NodeNotReady`);
  }
  if (nodeCondition(node, "Ready")?.status !== "True") await markPodsNotReady(parts, node);
  return taint(parts, node);
}

/** Puts the taints right; a node that is to be given up waits for its zone's turn. */
async function taint(parts: Parts, node: Node): Promise<ReconcileResult> {
  const { context, nodes, lastEviction } = parts;
  const now = context.clock.now();
  const key = noExecuteKey(node) ?? null;
  const zone = zoneOf(node);
  const intervalMs = zonePaces(nodes.cache.values()).get(zone)?.intervalMs;
  const given = node.spec?.taints?.some(
    (each) => each.effect === "NoExecute" && (each.key === NOT_READY || each.key === UNREACHABLE),
  );
  let evict: string | null | undefined = key;
  let wait: number | undefined;
  // A taint that is there only changes its name; without a pace none is set, and those of before are taken back.
  if (key !== null && intervalMs === undefined) evict = null;
  else if (key !== null && !given) {
    const next = (lastEviction.get(zone) ?? Number.NEGATIVE_INFINITY) + (intervalMs ?? 0);
    if (next > now) {
      evict = undefined;
      wait = next - now;
    } else lastEviction.set(zone, now);
  }
  const taints = desiredTaints(node, evict, kubeTime(now));
  if (!semanticEqual(taints, node.spec?.taints)) {
    const { uid, resourceVersion } = node.metadata;
    const body = { metadata: { uid, resourceVersion }, spec: { taints: taints.length > 0 ? taints : null } };
    await context.client.patch(RESOURCES.nodes, undefined, objectKey(node), { type: "merge", body });
  }
  return wait === undefined ? undefined : { requeueAfterMs: wait };
}

/** Pods of a node that is not ready are not ready either: services leave them out. */
async function markPodsNotReady({ context, pods, events }: Parts, node: Node): Promise<void> {
  const now = kubeTime(context.clock.now());
  for (const pod of pods.cache.byIndex(BY_NODE, objectKey(node))) {
    if (!isReady(pod) || isFinished(pod)) continue;
    const { namespace, name = "", uid } = pod.metadata;
    const condition = { type: "Ready", status: "False", lastTransitionTime: now };
    const body = { metadata: { uid }, status: { conditions: [condition] } };
    try {
      await context.client.patch(RESOURCES.pods, namespace, name, { type: "strategic", body }, "status");
      events.record(pod, "Warning", "NodeNotReady", "Node is not ready");
    } catch (error) {
      if (!isGantryError(error, "not-found") && !isGantryError(error, "conflict")) throw error;
    }
  }
}
