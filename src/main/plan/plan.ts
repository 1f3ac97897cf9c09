import { existsSync } from "node:fs";
import { systemRandom } from "#base/random.ts";
import { virtualClock, type VirtualClock } from "#base/clock.ts";
import { errorText, GantryError, isGantryError } from "#base/errors.ts";
import { silentLogger } from "#base/logger.ts";
import type { Plan, PlannedPod, PlanRequest } from "#cli/scheduling-ports.ts";
import type { KubeObject, Resource, Typed } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { Pod } from "#formats/kube-types.generated.ts";
import { httpsClient } from "#kube-client/https-client.ts";
import { credentialsOf, kubeconfigPaths, readKubeconfigs } from "#kube-client/kubeconfig-file.ts";
import { startScheduler, type Scheduler } from "#kube-control/scheduler.ts";
import { startSimulatedNodes, type SimulatedNode } from "#kube-control/simulated-nodes.ts";
import { createCluster, type Cluster } from "../create-cluster.ts";
import { readSchedulerConfigFile } from "../scheduler-process.ts";
import { readManifests } from "./manifests.ts";
import { readNodeGroup } from "./node-groups.ts";
import { plannedNodes } from "./nodes.ts";
import { settle } from "./settle.ts";
import { readSnapshot, type Snapshot } from "./snapshot.ts";

/** Controllers that make pods of workloads, and what pods need to be made at all. */
const CONTROLLERS = [
  "daemonset-controller",
  "deployment-controller",
  "ephemeral-volume-controller",
  "job-controller",
  "namespace-controller",
  "replicaset-controller",
  "replicationcontroller-controller",
  "serviceaccount-controller",
  "statefulset-controller",
];

/**
 * Places the pods of manifests on simulated nodes: a whole control plane in memory, on virtual time, with the live scheduler and controllers. Nothing
 * outside is changed; with `fromCluster` a cluster is read.
 */
export async function makePlan(request: PlanRequest): Promise<Plan> {
  const objects = readManifests(request.manifests).map((each) => inNamespace(each, request.namespace));
  const snapshot = request.fromCluster && (await snapshotOf(request.fromCluster));
  const added = request.nodes.flatMap(readNodeGroup);
  const nodes = [...(snapshot?.nodes ?? []), ...added];
  if (nodes.length === 0) throw new GantryError("invalid", "there are no nodes to place pods on");
  const clock = virtualClock(Date.now());
  const cluster = await createCluster({ clock, scheduler: false, controllers: CONTROLLERS });
  try {
    return await planIn(cluster, clock, { objects, nodes, snapshot, config: request.config });
  } finally {
    await cluster.close();
  }
}

interface Task {
  readonly objects: readonly KubeObject[];
  readonly nodes: readonly SimulatedNode[];
  readonly snapshot: Snapshot | undefined;
  readonly config: string | undefined;
}

async function planIn(cluster: Cluster, clock: VirtualClock, task: Task): Promise<Plan> {
  const { client, informers } = cluster;
  const parts = { client, informers, clock, random: systemRandom, logger: silentLogger };
  const simulated = startSimulatedNodes({ ...parts, nodes: task.nodes, heartbeats: false, endless: true });
  await simulated.started;
  let changes = 0;
  const count = (): void => void changes++;
  const pods = informers.informer(RESOURCES.pods);
  pods.addHandler({ add: count, update: count, delete: count });
  const there = task.snapshot ? await copyCluster(cluster, task) : [];
  await settle(clock, () => changes);
  const scheduler = startWith(task.config, parts);
  await scheduler.started;
  const startedMs = performance.now();
  for (const object of ordered(task.objects)) await create(cluster, object);
  await settle(clock, () => changes);
  const tookMs = performance.now() - startedMs;
  const existing = new Set(there);
  const all = Array.from(pods.cache.values());
  const planned = all.filter((pod) => !existing.has(keyOf(pod)));
  const left = new Set(all.map(keyOf));
  const plan: Plan = {
    pods: planned.map((pod) => plannedPod(cluster, pod)).sort(byName),
    nodes: plannedNodes(Array.from(informers.informer(RESOURCES.nodes).cache.values()), all),
    preempted: (task.snapshot?.pods ?? [])
      .filter((pod) => existing.has(keyOf(pod)) && !left.has(keyOf(pod)))
      .map(({ metadata, spec }) => ({
        namespace: metadata.namespace ?? "",
        name: metadata.name ?? "",
        node: spec?.nodeName ?? "",
      })),
    tookMs,
  };
  await scheduler.stop();
  await simulated.stop();
  return plan;
}

function startWith(config: string | undefined, parts: Parameters<typeof startScheduler>[0]): Scheduler {
  if (config === undefined) return startScheduler(parts);
  const { profiles, extenders } = readSchedulerConfigFile(config);
  return startScheduler({ ...parts, profiles, extenders });
}

async function snapshotOf({ kubeconfig, places }: NonNullable<PlanRequest["fromCluster"]>): Promise<Snapshot> {
  const own = existsSync(places.kubeconfig) && !process.env["KUBECONFIG"] ? [places.kubeconfig] : kubeconfigPaths();
  const config = await readKubeconfigs(kubeconfig === undefined ? own : [kubeconfig]);
  const client = httpsClient(await credentialsOf(config));
  try {
    return await readSnapshot(client);
  } finally {
    client.close();
  }
}

/** Makes what the cluster has; returns the keys of the pods that count. Pods of a workload that is planned anew are left out. */
async function copyCluster(cluster: Cluster, { snapshot, objects }: Task): Promise<string[]> {
  if (!snapshot) return [];
  for (const [resource, all] of snapshot.others) {
    for (const each of all) await createIfMissing(cluster, resource, stripped(each));
  }
  const replaced = new Set(objects.map((each) => `${each.kind}/${keyOf(each)}`));
  const kept: string[] = [];
  for (const pod of snapshot.pods) {
    if (workloadNames(pod, snapshot).some((name) => replaced.has(name))) continue;
    const copy = stripped(pod) as Pod;
    // Its owner is not here: nobody is to take it for a stray.
    const { ownerReferences: _, ...metadata } = copy.metadata;
    await createIfMissing(
      cluster,
      RESOURCES.pods as unknown as Typed<KubeObject>,
      {
        ...copy,
        metadata,
        spec: { ...copy.spec, serviceAccountName: "default", serviceAccount: undefined, priority: undefined },
      } as KubeObject,
    );
    kept.push(keyOf(pod));
  }
  return kept;
}

function workloadNames(pod: Pod, { replicaSets }: Snapshot): string[] {
  const { namespace = "", ownerReferences = [] } = pod.metadata;
  return ownerReferences.flatMap(({ kind, name }) => {
    const set = kind === "ReplicaSet" ? replicaSets.find((each) => keyOf(each) === `${namespace}/${name}`) : undefined;
    const above = set?.metadata.ownerReferences?.map((each) => `${each.kind}/${namespace}/${each.name}`) ?? [];
    return [`${kind}/${namespace}/${name}`, ...above];
  });
}

function stripped({ metadata, ...rest }: KubeObject): KubeObject {
  const { name, namespace, labels, annotations } = metadata;
  return { ...rest, metadata: { name, ...(namespace && { namespace }), labels, annotations } };
}

async function createIfMissing(cluster: Cluster, resource: Typed<KubeObject>, object: KubeObject): Promise<void> {
  try {
    await cluster.client.create(resource, object);
  } catch (error) {
    if (!isGantryError(error, "already-exists")) throw error;
  }
}

async function create(cluster: Cluster, object: KubeObject): Promise<void> {
  const resource = await resourceOf(cluster, object);
  const namespace = object.metadata.namespace ?? "";
  if (resource.namespaced && namespace !== "") await ensureNamespace(cluster, namespace);
  try {
    await cluster.client.create(resource as Typed<KubeObject>, object);
  } catch (error) {
    if (isGantryError(error, "already-exists")) return;
    throw new GantryError("invalid", `${object.kind} ${keyOf(object)}: ${errorText(error)}`, {}, error);
  }
}

async function resourceOf({ discovery }: Cluster, { apiVersion, kind }: KubeObject): Promise<Resource> {
  const [version = "", group = ""] = (apiVersion ?? "").split("/").toReversed();
  const found = (await discovery.resources()).find(
    (each) => each.kind === kind && each.group === group && each.version === version,
  );
  if (!found)
    throw new GantryError("unsupported", `${apiVersion ?? ""} ${kind ?? ""} is not a kind that can be planned with`);
  return found;
}

/** A namespace with its service account: what `kubectl create namespace` and a moment of waiting would give. */
async function ensureNamespace(cluster: Cluster, name: string): Promise<void> {
  const metadata = { name };
  const namespace: KubeObject = { apiVersion: "v1", kind: "Namespace", metadata };
  await createIfMissing(cluster, RESOURCES.namespaces as unknown as Typed<KubeObject>, namespace);
  await createIfMissing(cluster, RESOURCES.serviceaccounts as unknown as Typed<KubeObject>, {
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name: "default", namespace: name },
  });
}

/** What others need is made first. */
const FIRST = [
  "Namespace",
  "PriorityClass",
  "StorageClass",
  "LimitRange",
  "PersistentVolume",
  "PersistentVolumeClaim",
  "Service",
];

function ordered(objects: readonly KubeObject[]): KubeObject[] {
  const rank = ({ kind = "" }: KubeObject): number => (FIRST.includes(kind) ? FIRST.indexOf(kind) : FIRST.length);
  return objects.toSorted((a, b) => rank(a) - rank(b));
}

const CLUSTER_SCOPED = new Set([
  "Namespace",
  "Node",
  "PriorityClass",
  "StorageClass",
  "PersistentVolume",
  "ClusterRole",
  "ClusterRoleBinding",
  "CustomResourceDefinition",
]);

function inNamespace(object: KubeObject, namespace: string): KubeObject {
  if (object.metadata.namespace || CLUSTER_SCOPED.has(object.kind ?? "")) return object;
  return { ...object, metadata: { ...object.metadata, namespace } };
}

function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ""}/${metadata.name ?? ""}`;
}

function plannedPod(cluster: Cluster, { metadata, spec, status }: Pod): PlannedPod {
  const { namespace = "", name = "" } = metadata;
  const workload = workloadOf(cluster, metadata);
  const condition = status?.conditions?.find(({ type }) => type === "PodScheduled");
  return {
    namespace,
    name,
    ...(workload !== undefined && { workload }),
    ...(spec?.nodeName ? { node: spec.nodeName } : { message: condition?.message ?? "not tried" }),
  };
}

function workloadOf({ informers }: Cluster, { namespace = "", ownerReferences }: Pod["metadata"]): string | undefined {
  const owner = ownerReferences?.find(({ controller }) => controller);
  if (!owner) return undefined;
  if (owner.kind !== "ReplicaSet") return `${owner.kind}/${owner.name}`;
  const set = informers.informer(RESOURCES.replicasets).cache.get(`${namespace}/${owner.name}`);
  const above = set?.metadata.ownerReferences?.find(({ controller }) => controller);
  return above ? `${above.kind}/${above.name}` : `${owner.kind}/${owner.name}`;
}

function byName(a: PlannedPod, b: PlannedPod): number {
  const key = ({ namespace, workload = "", name }: PlannedPod): string => `${namespace}/${workload}/${name}`;
  return key(a) < key(b) ? -1 : 1;
}
