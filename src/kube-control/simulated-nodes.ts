import type { Clock } from "#base/clock.ts";
import { errorText, isGantryError } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import { kubeMicroTime } from "#formats/kube-time.ts";
import type { Node, Pod } from "#formats/kube-types.generated.ts";
import type { KubeClient } from "#kube-client/client.ts";
import { informerFactory, type InformerFactory } from "#kube-client/informer-factory.ts";
import { systemRandom, type Random } from "#base/random.ts";
import { nodeObject, nodeStatus, type SimulatedNode } from "./simulated/node.ts";
import { podLives } from "./simulated/pod-lives.ts";
import { simulatedUsage, type SimulatedUsage } from "./simulated/usage.ts";

export type { SimulatedNode } from "./simulated/node.ts";

export interface SimulatedNodesOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random?: Random;
  readonly informers?: InformerFactory;
  /** How many nodes, named `node-1` and so on, or which. */
  readonly nodes: number | readonly SimulatedNode[];
  /** Without, nobody may watch for silent nodes. With by default. */
  readonly heartbeats?: boolean;
  /** No pod ends by itself, not even a Job's. */
  readonly endless?: boolean;
}

export interface SimulatedNodes {
  /** Resolves when all nodes are registered and ready. */
  readonly started: Promise<void>;
  /** Lets a node fall silent (no heartbeats, its pods frozen), as if its machine had lost its network; `true` brings it back. */
  setAlive(name: string, alive: boolean): void;
  /** What the nodes that are not silent and their pods use (`simulated/usage.ts`): a source for metrics.k8s.io. */
  readUsage(): Promise<readonly NodeReading[]>;
  stop(): Promise<void>;
}

type NodeReading = ReturnType<SimulatedUsage["read"]>[number];

/** A kubelet renews its Lease this often. */
const RENEW_MS = 10_000;
const LEASE_SECONDS = 40;

/**
 * Nodes without machines: they register, keep their Leases, and take pods through their lives (running, ready, ended, gone) without containers,
 * as the annotations of `simulated/pod-life.ts` say. For tests of controllers and schedulers, and for trying out large clusters.
 */
export function startSimulatedNodes(options: SimulatedNodesOptions): SimulatedNodes {
  const { client, clock, random = systemRandom } = options;
  const logger = options.logger.child({ component: "simulated-nodes" });
  const informers = options.informers ?? informerFactory({ client, clock, logger, random });
  const nodes = listNodes(options.nodes);
  const alive = new Set(nodes.map(({ name }) => name));
  const addresses = new Map(nodes.map(({ name }, index) => [name, `172.31.${(index >> 8) & 255}.${index & 255}`]));
  let stopped = false;
  const report = (error: unknown): void => {
    if (!stopped && !isGantryError(error, "not-found")) logger.warn({ error: errorText(error) }, "simulated node");
  };
  const lives = podLives({
    client,
    clock,
    report,
    endless: options.endless ?? false,
    alive: (name) => alive.has(name),
    addressOf: (name) => addresses.get(name),
  });
  const pods = informers.informer(RESOURCES.pods);
  const usage = simulatedUsage(clock);
  const see = (pod: Pod): void => {
    usage.see(pod);
    lives.see(pod);
  };
  const begin = async (): Promise<void> => {
    await Promise.all(nodes.map((node, index) => register(client, clock, node, index, addresses.get(node.name) ?? "")));
    await pods.whenSynced();
    if (stopped) return;
    unsubscribe = pods.addHandler({
      add: see,
      update: (_: Pod, pod: Pod) => see(pod),
      delete(pod: Pod) {
        usage.forget(pod);
        lives.forget(pod);
      },
    });
    if (options.heartbeats ?? true)
      stopHeartbeats = heartbeats(clock, nodes, (name) => {
        if (alive.has(name)) renew(client, clock, name).catch(report);
      });
  };
  let stopHeartbeats = (): void => undefined;
  let unsubscribe = (): void => undefined;
  return {
    started: begin(),
    setAlive(name, isAlive) {
      if (!isAlive) {
        alive.delete(name);
        return;
      }
      alive.add(name);
      comeBack(client, clock, name).catch(report);
      for (const pod of pods.cache.values()) if (pod.spec?.nodeName === name) lives.see(pod);
    },
    readUsage: () => Promise.resolve(usage.read(alive)),
    async stop() {
      stopped = true;
      unsubscribe();
      stopHeartbeats();
      lives.stop();
      if (!options.informers) informers.stop();
    },
  };
}

/** Calls for each node every ten seconds, not for all at once. The result ends it. */
function heartbeats(clock: Clock, nodes: readonly SimulatedNode[], beat: (name: string) => void): () => void {
  const timers = new Map<string, () => void>();
  const later = (name: string, delayMs: number): void => {
    const cancel = clock.after(delayMs, () => {
      beat(name);
      later(name, RENEW_MS);
    });
    timers.set(name, cancel);
  };
  for (const [index, { name }] of nodes.entries()) later(name, (RENEW_MS * (index + 1)) / nodes.length);
  return () => {
    for (const cancel of timers.values()) cancel();
  };
}

function listNodes(nodes: number | readonly SimulatedNode[]): readonly SimulatedNode[] {
  if (typeof nodes !== "number") return nodes;
  return Array.from({ length: nodes }, (_, index) => ({ name: `node-${index + 1}` }));
}

async function register(
  client: KubeClient,
  clock: Clock,
  node: SimulatedNode,
  index: number,
  address: string,
): Promise<void> {
  const now = kubeMicroTime(clock.now());
  // Registered as ready at once, as a kubelet does: otherwise it would start with a taint for a controller to take off.
  const status = nodeStatus(node, address, clock.now());
  const created = await client
    .create(RESOURCES.nodes, { ...nodeObject(node, index), status })
    .catch((error: unknown) => {
      if (!isGantryError(error, "already-exists")) throw error;
    });
  // It was there at an earlier start.
  if (!created) return comeBack(client, clock, node.name);
  const reference = { apiVersion: "v1", kind: "Node", name: node.name, uid: created.metadata.uid ?? "" };
  await client.create(RESOURCES.leases, {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { name: node.name, namespace: "kube-node-lease", ownerReferences: [reference] },
    spec: { holderIdentity: node.name, leaseDurationSeconds: LEASE_SECONDS, renewTime: now },
  });
}

async function renew(client: KubeClient, clock: Clock, name: string): Promise<void> {
  const body = { spec: { renewTime: kubeMicroTime(clock.now()) } };
  await client.patch(RESOURCES.leases, "kube-node-lease", name, { type: "merge", body });
}

/** A node that was silent says again that it is ready. */
async function comeBack(client: KubeClient, clock: Clock, name: string): Promise<void> {
  await renew(client, clock, name);
  const node: Node = await client.get(RESOURCES.nodes, undefined, name);
  const address = node.status?.addresses?.[0]?.address ?? "";
  const status = nodeStatus({ name, capacity: node.status?.capacity }, address, clock.now());
  await client.update(
    RESOURCES.nodes,
    { ...node, status: { ...node.status, conditions: status?.conditions } },
    "status",
  );
}
