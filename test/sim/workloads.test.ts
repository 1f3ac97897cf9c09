// DaemonSets, StatefulSets and ReplicationControllers on a real API with simulated nodes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RESOURCES } from "../../src/formats/kube-resources.ts";
import type { DaemonSet, Pod, StatefulSet } from "../../src/formats/kube-types.generated.ts";
import { clusterFor, podSpec, until, untilEvent } from "./support/cluster.ts";

const HASH = "controller-revision-hash";
const isReady = ({ status, metadata }: Pod): boolean =>
  !metadata.deletionTimestamp &&
  (status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") ?? false);
const names = (pods: readonly Pod[]): string[] => pods.map(({ metadata }) => metadata.name ?? "").sort();

function daemonSet(spec: Partial<DaemonSet["spec"]> = {}): DaemonSet {
  const labels = { app: "agent" };
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: "agent", namespace: "default" },
    spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: podSpec() }, ...spec },
  };
}

test("a daemon set has one pod on each node that suits it, new nodes and changed ones too", async (t) => {
  const nodes = [
    { name: "plain" },
    { name: "ssd", labels: { disk: "ssd" } },
    {
      name: "sick",
      taints: [{ key: "node.kubernetes.io/disk-pressure", effect: "NoSchedule" }],
      labels: { disk: "ssd" },
    },
    { name: "gpu", taints: [{ key: "gpu", effect: "NoSchedule" }], labels: { disk: "ssd" } },
  ];
  const cluster = await clusterFor(t, { nodes, controllers: ["*", "-node-lifecycle-controller"] });
  const { client } = cluster;
  const template = { metadata: { labels: { app: "agent" } }, spec: podSpec({ nodeSelector: { disk: "ssd" } }) };
  await client.create(RESOURCES.daemonsets, daemonSet({ template }));
  const on = (all: readonly Pod[]): string[] =>
    all
      .filter(isReady)
      .map(({ spec }) => spec?.nodeName ?? "")
      .sort();
  const pods = await until(cluster, RESOURCES.pods, "ssd and sick", (all) => on(all).join() === "sick,ssd");
  assert.deepEqual(
    pods[0]?.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms.length,
    1,
  );
  await until(
    cluster,
    RESOURCES.daemonsets,
    "status",
    ([each]) =>
      each?.status?.desiredNumberScheduled === 2 &&
      each.status.numberReady === 2 &&
      each.status.numberAvailable === 2 &&
      each.status.updatedNumberScheduled === 2,
  );
  await client.patch(RESOURCES.nodes, undefined, "plain", {
    type: "merge",
    body: { metadata: { labels: { disk: "ssd" } } },
  });
  await until(cluster, RESOURCES.pods, "plain too", (all) => on(all).join() === "plain,sick,ssd");
  await client.patch(RESOURCES.nodes, undefined, "ssd", {
    type: "merge",
    body: { metadata: { labels: { disk: null } } },
  });
  await until(cluster, RESOURCES.pods, "ssd no more", (all) => on(all).join() === "plain,sick");
  await untilEvent(cluster, "agent", "SuccessfulDelete");
});

test("a daemon set rolls its pods one node after the other, and keeps its history", async (t) => {
  const cluster = await clusterFor(t, { nodes: 4 });
  await cluster.client.create(RESOURCES.daemonsets, daemonSet());
  await until(cluster, RESOURCES.pods, "4 pods", (all) => all.filter(isReady).length === 4);
  let least = 4;
  const pods = cluster.informers.informer(RESOURCES.pods);
  const measure = (): void => void (least = Math.min(least, Array.from(pods.cache.values()).filter(isReady).length));
  pods.addHandler({ add: measure, update: measure, delete: measure });
  const body = { spec: { template: { spec: { containers: [{ name: "main", image: "example:2" }] } } } };
  await cluster.client.patch(RESOURCES.daemonsets, "default", "agent", { type: "strategic", body });
  await until(
    cluster,
    RESOURCES.pods,
    "4 new pods",
    (all) => all.filter(isReady).length === 4 && all.every(({ spec }) => spec?.containers[0]?.image === "example:2"),
  );
  assert.equal(least, 3);
  const revisions = await until(cluster, RESOURCES.controllerrevisions, "2 revisions", (all) => all.length === 2);
  assert.deepEqual(revisions.map(({ revision }) => revision).sort(), [1, 2]);
  // As `kubectl rollout undo` does it.
  const first = revisions.find(({ revision }) => revision === 1);
  await cluster.client.patch(RESOURCES.daemonsets, "default", "agent", {
    type: "strategic",
    body: first?.data as object,
  });
  await until(
    cluster,
    RESOURCES.pods,
    "4 old pods",
    (all) => all.filter(isReady).length === 4 && all.every(({ spec }) => spec?.containers[0]?.image === "example"),
  );
  await until(
    cluster,
    RESOURCES.controllerrevisions,
    "revision 1 taken up as 3",
    (all) => all.length === 2 && all.some(({ revision }) => revision === 3),
  );
});

test("with maxSurge the new pod is there before the old one goes", async (t) => {
  const cluster = await clusterFor(t, { nodes: 2 });
  const updateStrategy = { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } };
  const template = {
    metadata: { labels: { app: "agent" }, annotations: { "simulated.gantry.dev/ready-ms": "20" } },
    spec: podSpec(),
  };
  await cluster.client.create(RESOURCES.daemonsets, daemonSet({ updateStrategy, template }));
  await until(cluster, RESOURCES.pods, "2 pods", (all) => all.filter(isReady).length === 2);
  let least = 2;
  let most = 2;
  const pods = cluster.informers.informer(RESOURCES.pods);
  const measure = (): void => {
    const all = Array.from(pods.cache.values()).filter(({ metadata }) => !metadata.deletionTimestamp);
    least = Math.min(least, all.filter(isReady).length);
    most = Math.max(most, all.length);
  };
  pods.addHandler({ add: measure, update: measure, delete: measure });
  const body = { spec: { template: { spec: { containers: [{ name: "main", image: "example:2" }] } } } };
  await cluster.client.patch(RESOURCES.daemonsets, "default", "agent", { type: "strategic", body });
  await until(
    cluster,
    RESOURCES.pods,
    "2 new pods",
    (all) => all.length === 2 && all.every((each) => isReady(each) && each.spec?.containers[0]?.image === "example:2"),
  );
  assert.deepEqual([least, most], [2, 3]);
});

function statefulSet(replicas: number, spec: Partial<StatefulSet["spec"]> = {}, ready = "10"): StatefulSet {
  const labels = { app: "db" };
  return {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: { name: "db", namespace: "default" },
    spec: {
      serviceName: "db",
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels, annotations: { "simulated.gantry.dev/ready-ms": ready } }, spec: podSpec() },
      ...spec,
    },
  };
}

test("a stateful set comes up in order, goes down in reverse, and its pods keep their names and claims", async (t) => {
  const cluster = await clusterFor(t, { nodes: 2 });
  const { client } = cluster;
  const order: string[] = [];
  const pods = cluster.informers.informer(RESOURCES.pods);
  await pods.whenSynced();
  pods.addHandler({
    add: (pod) => order.push(`+${pod.metadata.name ?? ""} ${Array.from(pods.cache.values()).filter(isReady).length}`),
    update(before, after) {
      if (!before.metadata.deletionTimestamp && after.metadata.deletionTimestamp)
        order.push(`-${after.metadata.name ?? ""}`);
    },
  });
  await client.create(RESOURCES.statefulsets, statefulSet(3));
  await until(cluster, RESOURCES.statefulsets, "3 available", ([set]) => set?.status?.availableReplicas === 3);
  assert.deepEqual(order, ["+db-0 0", "+db-1 1", "+db-2 2"]);
  const [one] = await until(cluster, RESOURCES.pods, "pods", () => true).then((all) =>
    all.filter(({ metadata }) => metadata.name === "db-1"),
  );
  assert.deepEqual([one?.spec?.hostname, one?.spec?.subdomain], ["db-1", "db"]);
  assert.equal(one?.metadata.labels?.["apps.kubernetes.io/pod-index"], "1");
  const [created] = await untilEvent(cluster, "db", "SuccessfulCreate");
  assert.equal(created?.message, "create Pod db-0 in StatefulSet db successful");
  order.length = 0;
  await client.patch(RESOURCES.statefulsets, "default", "db", { type: "merge", body: { spec: { replicas: 1 } } });
  await until(cluster, RESOURCES.pods, "only db-0", (all) => names(all).join() === "db-0");
  assert.deepEqual(order, ["-db-2", "-db-1"]);
  await client.delete(RESOURCES.pods, "default", "db-0");
  const [again] = await until(cluster, RESOURCES.pods, "db-0 again", (all) => all.length === 1 && all.every(isReady));
  assert.equal(again?.metadata.name, "db-0");
});

test("a stateful set is updated from the highest ordinal down, and not below its partition", async (t) => {
  const cluster = await clusterFor(t, { nodes: 1 });
  const { client } = cluster;
  const updateStrategy = { type: "RollingUpdate", rollingUpdate: { partition: 1 } };
  await client.create(RESOURCES.statefulsets, statefulSet(3, { updateStrategy }, "5"));
  await until(cluster, RESOURCES.statefulsets, "3 available", ([set]) => set?.status?.availableReplicas === 3);
  const gone: string[] = [];
  cluster.informers.informer(RESOURCES.pods).addHandler({ delete: ({ metadata }) => gone.push(metadata.name ?? "") });
  const body = { spec: { template: { spec: { containers: [{ name: "main", image: "example:2" }] } } } };
  await client.patch(RESOURCES.statefulsets, "default", "db", { type: "strategic", body });
  const byName = (all: readonly Pod[]): string =>
    names(all.filter(isReady))
      .map((name) => all.find(({ metadata }) => metadata.name === name)?.spec?.containers[0]?.image)
      .join();
  await until(cluster, RESOURCES.pods, "2 of 3 new", (all) => byName(all) === "example,example:2,example:2");
  assert.deepEqual(gone, ["db-2", "db-1"]);
  const [half] = await until(cluster, RESOURCES.statefulsets, "status", ([set]) => set?.status?.updatedReplicas === 2);
  assert.notEqual(half?.status?.currentRevision, half?.status?.updateRevision);
  // A pod below the partition that is lost comes back as it was.
  await client.delete(RESOURCES.pods, "default", "db-0");
  await until(
    cluster,
    RESOURCES.pods,
    "db-0 as before",
    (all) => byName(all) === "example,example:2,example:2" && gone.length === 3,
  );
  await client.patch(RESOURCES.statefulsets, "default", "db", {
    type: "merge",
    body: { spec: { updateStrategy: { rollingUpdate: { partition: 0 } } } },
  });
  await until(
    cluster,
    RESOURCES.statefulsets,
    "all new",
    ([set]) => set?.status?.currentRevision === set?.status?.updateRevision && set?.status?.currentReplicas === 3,
  );
});

test("Parallel starts all at once, from an ordinal of choice; failed pods are made anew", async (t) => {
  const cluster = await clusterFor(t, { nodes: 1 });
  const { client } = cluster;
  await client.create(
    RESOURCES.statefulsets,
    statefulSet(3, { podManagementPolicy: "Parallel", ordinals: { start: 5 } }, "never"),
  );
  const pods = await until(cluster, RESOURCES.pods, "3 pods", (all) => all.length === 3);
  assert.deepEqual(names(pods), ["db-5", "db-6", "db-7"]);
  const failed = pods.find(({ metadata }) => metadata.name === "db-6");
  await until(cluster, RESOURCES.pods, "running", (all) => all.every(({ status }) => status?.phase === "Running"));
  const body = { status: { phase: "Failed" } };
  await client.patch(RESOURCES.pods, "default", "db-6", { type: "merge", body }, "status");
  await until(cluster, RESOURCES.pods, "db-6 anew", (all) =>
    all.some(({ metadata }) => metadata.name === "db-6" && metadata.uid !== failed?.metadata.uid),
  );
});

test("claims are made for each pod, stay when it goes, and go when the set says so", async (t) => {
  const cluster = await clusterFor(t, { nodes: 1 });
  const { client } = cluster;
  const volumeClaimTemplates = [
    {
      metadata: { name: "data" },
      spec: { accessModes: ["ReadWriteOnce"], storageClassName: "none", resources: { requests: { storage: "1Gi" } } },
    },
  ];
  await client.create(
    RESOURCES.statefulsets,
    statefulSet(2, { volumeClaimTemplates, podManagementPolicy: "Parallel" }),
  );
  const claims = await until(cluster, RESOURCES.persistentvolumeclaims, "2 claims", (all) => all.length === 2);
  assert.deepEqual(claims.map(({ metadata }) => metadata.name).sort(), ["data-db-0", "data-db-1"]);
  const pods = await until(cluster, RESOURCES.pods, "2 pods", (all) => all.length === 2);
  assert.equal(
    pods.find(({ metadata }) => metadata.name === "db-1")?.spec?.volumes?.[0]?.persistentVolumeClaim?.claimName,
    "data-db-1",
  );
  await client.patch(RESOURCES.statefulsets, "default", "db", { type: "merge", body: { spec: { replicas: 1 } } });
  await until(cluster, RESOURCES.pods, "1 pod", (all) => all.length === 1);
  assert.equal((await client.list(RESOURCES.persistentvolumeclaims)).items.length, 2);
  const policy = { persistentVolumeClaimRetentionPolicy: { whenDeleted: "Delete", whenScaled: "Retain" } };
  await client.patch(RESOURCES.statefulsets, "default", "db", { type: "merge", body: { spec: policy } });
  await until(cluster, RESOURCES.persistentvolumeclaims, "db-0's claim is owned", (all) =>
    all.some(({ metadata }) => metadata.name === "data-db-0" && metadata.ownerReferences?.[0]?.kind === "StatefulSet"),
  );
  await client.delete(RESOURCES.statefulsets, "default", "db");
  const left = await until(cluster, RESOURCES.persistentvolumeclaims, "1 claim", (all) => all.length === 1);
  assert.equal(left[0]?.metadata.name, "data-db-1");
});

test("a replication controller keeps its number of pods", async (t) => {
  const cluster = await clusterFor(t, { nodes: 1 });
  const labels = { app: "old" };
  await cluster.client.create(RESOURCES.replicationcontrollers, {
    apiVersion: "v1",
    kind: "ReplicationController",
    metadata: { name: "old", namespace: "default" },
    spec: { replicas: 2, selector: labels, template: { metadata: { labels }, spec: podSpec() } },
  });
  await until(
    cluster,
    RESOURCES.replicationcontrollers,
    "2 ready",
    ([each]) => each?.status?.readyReplicas === 2 && each.status.availableReplicas === 2,
  );
  const [pod] = (await cluster.client.list(RESOURCES.pods)).items;
  assert.deepEqual(
    [pod?.metadata.ownerReferences?.[0]?.kind, pod?.metadata.ownerReferences?.[0]?.apiVersion],
    ["ReplicationController", "v1"],
  );
  await cluster.client.patch(RESOURCES.replicationcontrollers, "default", "old", {
    type: "merge",
    body: { spec: { replicas: 0 } },
  });
  await until(cluster, RESOURCES.pods, "no pods", (all) => all.length === 0);
  const label = pod?.metadata.labels?.[HASH];
  assert.equal(label, undefined);
});
