// Claims, volumes, and the pods that wait for them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RESOURCES } from "../../src/formats/kube-resources.ts";
import type { PersistentVolume, PersistentVolumeClaim, Pod } from "../../src/formats/kube-types.generated.ts";
import { clusterFor, pod, until, untilEvent } from "./support/cluster.ts";

function claim(name: string, spec: Partial<PersistentVolumeClaim["spec"]> = {}): PersistentVolumeClaim {
  return {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name, namespace: "default" },
    spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } }, ...spec },
  };
}
function volume(name: string, storage: string, spec: Partial<PersistentVolume["spec"]> = {}): PersistentVolume {
  return {
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: { name },
    spec: {
      capacity: { storage },
      accessModes: ["ReadWriteOnce"],
      hostPath: { path: `/data/${name}` },
      persistentVolumeReclaimPolicy: "Retain",
      ...spec,
    },
  };
}
const using = (name: string, ...claims: string[]): Pod =>
  pod(name, {
    volumes: claims.map((claimName, index) => ({ name: `v${index}`, persistentVolumeClaim: { claimName } })),
  });
const onNode = (nodeName: string) => ({
  nodeAffinity: {
    required: {
      nodeSelectorTerms: [
        { matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: [nodeName] }] },
      ],
    },
  },
});

test("a claim without a class gets the smallest volume that does; what is left over is kept for others", async (t) => {
  const cluster = await clusterFor(t, { scheduler: false });
  const { client } = cluster;
  for (const [name, size] of [
    ["small", "500Mi"],
    ["fits", "2Gi"],
    ["large", "10Gi"],
  ] as const)
    await client.create(RESOURCES.persistentvolumes, volume(name, size));
  await client.create(RESOURCES.persistentvolumeclaims, claim("mine", { storageClassName: "" }));
  const [mine] = await until(
    cluster,
    RESOURCES.persistentvolumeclaims,
    "bound",
    ([each]) => each?.status?.phase === "Bound",
  );
  assert.equal(mine?.spec?.volumeName, "fits");
  assert.deepEqual(mine?.status?.capacity, { storage: "2Gi" });
  const volumes = await until(
    cluster,
    RESOURCES.persistentvolumes,
    "phases",
    (all) =>
      all
        .map(({ status }) => status?.phase)
        .sort()
        .join() === "Available,Available,Bound",
  );
  assert.equal(volumes.find(({ metadata }) => metadata.name === "fits")?.spec?.claimRef?.name, "mine");
  await client.delete(RESOURCES.persistentvolumeclaims, "default", "mine");
  await until(cluster, RESOURCES.persistentvolumes, "released, not given to another", (all) =>
    all.some(({ metadata, status }) => metadata.name === "fits" && status?.phase === "Released"),
  );
});

test("the default class makes a volume on the node of the first pod, and takes it away with the claim", async (t) => {
  const cluster = await clusterFor(t, { nodes: 2 });
  const { client } = cluster;
  await until(cluster, RESOURCES.storageclasses, "local-path", (all) =>
    all.some(({ metadata }) => metadata.name === "local-path"),
  );
  await client.create(RESOURCES.persistentvolumeclaims, claim("data"));
  const [waiting] = await untilEvent(cluster, "data", "WaitForFirstConsumer");
  assert.equal(waiting?.message, "waiting for first consumer to be created before binding");
  await client.create(RESOURCES.pods, using("db", "data"));
  const [db] = await until(cluster, RESOURCES.pods, "running", ([each]) => each?.status?.phase === "Running");
  const [made] = await until(
    cluster,
    RESOURCES.persistentvolumes,
    "bound volume",
    ([each]) => each?.status?.phase === "Bound",
  );
  const hostname = made?.spec?.nodeAffinity?.required?.nodeSelectorTerms[0]?.matchExpressions?.[0]?.values?.[0];
  assert.equal(hostname, db?.spec?.nodeName);
  assert.match(made?.spec?.hostPath?.path ?? "", /^\/var\/lib\/gantry\/local-path\/pvc-[-0-9a-f]+_default_data$/);
  // A claim in use stays until its pod is gone.
  await client.delete(RESOURCES.persistentvolumeclaims, "default", "data");
  const [held] = await until(
    cluster,
    RESOURCES.persistentvolumeclaims,
    "being deleted",
    ([each]) => each?.metadata.deletionTimestamp !== undefined,
  );
  assert.deepEqual(held?.metadata.finalizers, ["kubernetes.io/pvc-protection"]);
  await client.delete(RESOURCES.pods, "default", "db");
  await until(cluster, RESOURCES.persistentvolumeclaims, "claim gone", (all) => all.length === 0);
  await until(cluster, RESOURCES.persistentvolumes, "volume gone", (all) => all.length === 0);
});

test("a pod comes back to the node where its data is", async (t) => {
  const cluster = await clusterFor(t, { nodes: 4 });
  const { client } = cluster;
  await client.create(RESOURCES.persistentvolumeclaims, claim("data", { storageClassName: "local-path" }));
  await client.create(RESOURCES.pods, using("first", "data"));
  const [first] = await until(cluster, RESOURCES.pods, "running", ([each]) => each?.status?.phase === "Running");
  await client.delete(RESOURCES.pods, "default", "first");
  await until(cluster, RESOURCES.pods, "gone", (all) => all.length === 0);
  for (let round = 0; round < 3; round++) {
    await client.create(RESOURCES.pods, using(`again-${round}`, "data"));
    const pods = await until(
      cluster,
      RESOURCES.pods,
      "running",
      (all) => all.length === round + 1 && all.every(({ status }) => status?.phase === "Running"),
    );
    assert.ok(pods.every(({ spec }) => spec?.nodeName === first?.spec?.nodeName));
  }
});

test("of volumes of nodes a pod takes one where it can run, and two pods never the same", async (t) => {
  const nodes = [{ name: "a" }, { name: "b", labels: { disk: "ssd" } }];
  const cluster = await clusterFor(t, { nodes });
  const { client } = cluster;
  await client.create(RESOURCES.storageclasses, {
    apiVersion: "storage.k8s.io/v1",
    kind: "StorageClass",
    metadata: { name: "local" },
    provisioner: "kubernetes.io/no-provisioner",
    volumeBindingMode: "WaitForFirstConsumer",
  });
  for (const [name, nodeName] of [
    ["on-a", "a"],
    ["on-b", "b"],
  ] as const)
    await client.create(
      RESOURCES.persistentvolumes,
      volume(name, "1Gi", { storageClassName: "local", ...onNode(nodeName) }),
    );
  for (const name of ["one", "two", "three"])
    await client.create(RESOURCES.persistentvolumeclaims, claim(name, { storageClassName: "local" }));
  await client.create(RESOURCES.pods, {
    ...using("ssd", "one"),
    spec: { ...using("ssd", "one").spec, containers: [{ name: "c", image: "x" }], nodeSelector: { disk: "ssd" } },
  });
  await until(
    cluster,
    RESOURCES.persistentvolumeclaims,
    "one on b",
    (all) => all.find(({ metadata }) => metadata.name === "one")?.spec?.volumeName === "on-b",
  );
  await client.create(RESOURCES.pods, using("any", "two"));
  await until(
    cluster,
    RESOURCES.pods,
    "any on a",
    (all) => all.find(({ metadata }) => metadata.name === "any")?.spec?.nodeName === "a",
  );
  await client.create(RESOURCES.pods, using("late", "three"));
  const [failed] = await untilEvent(cluster, "late", "FailedScheduling");
  assert.equal(
    failed?.message,
    "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
  );
});

test("a pod whose claim is not there says so, and runs when it comes", async (t) => {
  const cluster = await clusterFor(t, { nodes: 1 });
  const { client } = cluster;
  await client.create(RESOURCES.pods, using("early", "late"));
  const [failed] = await untilEvent(cluster, "early", "FailedScheduling");
  assert.match(failed?.message ?? "", /^0\/1 nodes are available: persistentvolumeclaim "late" not found\. /);
  await client.create(RESOURCES.persistentvolumeclaims, claim("late", { storageClassName: "local-path" }));
  await until(cluster, RESOURCES.pods, "running", ([each]) => each?.status?.phase === "Running");
});

test("an ephemeral volume has a claim of the pod's own, which goes with it; claims can grow", async (t) => {
  const cluster = await clusterFor(t, { nodes: 1 });
  const { client } = cluster;
  const template = { spec: claim("", { storageClassName: "local-path" }).spec ?? {} };
  await client.create(
    RESOURCES.pods,
    pod("p", { volumes: [{ name: "scratch", ephemeral: { volumeClaimTemplate: template } }] }),
  );
  await until(cluster, RESOURCES.pods, "running", ([each]) => each?.status?.phase === "Running");
  await client.patch(RESOURCES.persistentvolumeclaims, "default", "p-scratch", {
    type: "merge",
    body: { spec: { resources: { requests: { storage: "5Gi" } } } },
  });
  await until(
    cluster,
    RESOURCES.persistentvolumeclaims,
    "grown",
    ([each]) => each?.status?.capacity?.["storage"] === "5Gi",
  );
  await client.delete(RESOURCES.pods, "default", "p");
  await until(cluster, RESOURCES.persistentvolumeclaims, "no claims", (all) => all.length === 0);
  await until(cluster, RESOURCES.persistentvolumes, "no volumes", (all) => all.length === 0);
});
