import assert from "node:assert/strict";
import { test } from "node:test";
import { RESOURCES } from "../../src/formats/kube-resources.ts";
import type { ConfigMap, OwnerReference } from "../../src/formats/kube-types.generated.ts";
import type { Cluster } from "../../src/main/create-cluster.ts";
import { clusterFor, deployment, pod, until } from "./support/cluster.ts";

function configMap(name: string, owners: readonly ConfigMap[] = [], extra: Partial<OwnerReference> = {}): ConfigMap {
  const ownerReferences = owners.map(({ metadata }) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    name: metadata.name ?? "",
    uid: metadata.uid ?? "",
    ...extra,
  }));
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default", ownerReferences } };
}

const create = (cluster: Cluster, map: ConfigMap): Promise<ConfigMap> =>
  cluster.client.create(RESOURCES.configmaps, map);
const names = (all: readonly ConfigMap[]): string[] =>
  all
    .filter(({ metadata }) => metadata.namespace === "default")
    .map(({ metadata }) => metadata.name ?? "")
    .sort();
const untilNames = (cluster: Cluster, ...wanted: string[]): Promise<readonly ConfigMap[]> =>
  until(cluster, RESOURCES.configmaps, wanted.join(), (all) => names(all).join() === wanted.join());

test("deleting a deployment takes its replica sets and pods along", async (t) => {
  const cluster = await clusterFor(t, { nodes: 1 });
  await cluster.client.create(RESOURCES.deployments, deployment("web", 3));
  await until(
    cluster,
    RESOURCES.pods,
    "3 pods",
    (all) => all.filter(({ status }) => status?.phase === "Running").length === 3,
  );
  await cluster.client.delete(RESOURCES.deployments, "default", "web");
  await until(cluster, RESOURCES.replicasets, "no replica sets", (all) => all.length === 0);
  await until(cluster, RESOURCES.pods, "no pods", (all) => all.length === 0);
});

test("background: dependents of dependents go; those with another owner stay", async (t) => {
  const cluster = await clusterFor(t, { controllers: ["garbage-collector-controller"] });
  const a = await create(cluster, configMap("a"));
  const other = await create(cluster, configMap("other"));
  const child = await create(cluster, configMap("child", [a]));
  await create(cluster, configMap("grandchild", [child]));
  await create(cluster, configMap("shared", [a, other]));
  await cluster.client.delete(RESOURCES.configmaps, "default", "a", { propagationPolicy: "Background" });
  await untilNames(cluster, "other", "shared");
  const [shared] = await until(cluster, RESOURCES.configmaps, "the dead reference is gone", (all) =>
    all.some(({ metadata }) => metadata.name === "shared" && metadata.ownerReferences?.length === 1),
  ).then((all) => all.filter(({ metadata }) => metadata.name === "shared"));
  assert.equal(shared?.metadata.ownerReferences?.[0]?.name, "other");
});

test("foreground: the owner goes last", async (t) => {
  const cluster = await clusterFor(t, { controllers: ["garbage-collector-controller"] });
  const owner = await create(cluster, configMap("owner"));
  const blocking = configMap("held", [owner], { blockOwnerDeletion: true });
  blocking.metadata.finalizers = ["example.com/hold"];
  await create(cluster, blocking);
  await cluster.client.delete(RESOURCES.configmaps, "default", "owner", { propagationPolicy: "Foreground" });
  await until(cluster, RESOURCES.configmaps, "held is being deleted", (all) =>
    all.some(({ metadata }) => metadata.name === "held" && metadata.deletionTimestamp !== undefined),
  );
  const kept = await cluster.client.get(RESOURCES.configmaps, "default", "owner");
  assert.deepEqual(kept.metadata.finalizers, ["foregroundDeletion"]);
  await cluster.client.patch(RESOURCES.configmaps, "default", "held", {
    type: "merge",
    body: { metadata: { finalizers: null } },
  });
  await untilNames(cluster);
});

test("orphan: dependents stay, without their owner", async (t) => {
  const cluster = await clusterFor(t, { controllers: ["garbage-collector-controller"] });
  const owner = await create(cluster, configMap("owner"));
  await create(cluster, configMap("child", [owner]));
  await cluster.client.delete(RESOURCES.configmaps, "default", "owner", { propagationPolicy: "Orphan" });
  const [child] = await untilNames(cluster, "child");
  assert.equal(child?.metadata.ownerReferences, undefined);
});

test("an owner that never was, or was made anew, is no owner", async (t) => {
  const cluster = await clusterFor(t, { controllers: ["garbage-collector-controller"] });
  const owner = await create(cluster, configMap("owner"));
  const ghost: ConfigMap = { ...owner, metadata: { ...owner.metadata, uid: "00000000-0000-0000-0000-000000000000" } };
  await create(cluster, configMap("of-ghost", [ghost]));
  await create(cluster, configMap("of-owner", [owner]));
  await untilNames(cluster, "of-owner", "owner");
});

test("two that own each other, deleted in the foreground, do not wait for each other for ever", async (t) => {
  const cluster = await clusterFor(t, { controllers: ["garbage-collector-controller"] });
  const a = await create(cluster, configMap("a"));
  const b = await create(cluster, configMap("b", [a], { blockOwnerDeletion: true }));
  const reference = configMap("", [b], { blockOwnerDeletion: true }).metadata.ownerReferences;
  await cluster.client.patch(RESOURCES.configmaps, "default", "a", {
    type: "merge",
    body: { metadata: { ownerReferences: reference } },
  });
  await cluster.client.delete(RESOURCES.configmaps, "default", "a", { propagationPolicy: "Foreground" });
  await untilNames(cluster);
});

test("a namespace takes everything in it along, pods first, and says what it waits for", async (t) => {
  const cluster = await clusterFor(t, { nodes: 1 });
  const { client } = cluster;
  await client.create(RESOURCES.namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
  await until(cluster, RESOURCES.serviceaccounts, "its default account", (all) =>
    all.some(({ metadata }) => metadata.namespace === "shop"),
  );
  const labels = { app: "web" };
  await client.create(RESOURCES.deployments, { ...deployment("web", 2), metadata: { name: "web", namespace: "shop" } });
  await client.create(RESOURCES.secrets, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "s", namespace: "shop" },
  });
  const held = { name: "held", namespace: "shop", labels, finalizers: ["example.com/hold"] };
  await client.create(RESOURCES.configmaps, { apiVersion: "v1", kind: "ConfigMap", metadata: held });
  await until(
    cluster,
    RESOURCES.pods,
    "2 pods",
    (all) => all.filter(({ metadata }) => metadata.namespace === "shop").length === 2,
  );
  await client.delete(RESOURCES.namespaces, undefined, "shop");
  const all = await until(cluster, RESOURCES.namespaces, "what it waits for", (each) =>
    each.some(
      ({ metadata, status }) =>
        metadata.name === "shop" &&
        status?.conditions?.some(({ type, status: is }) => type === "NamespaceFinalizersRemaining" && is === "True"),
    ),
  );
  const condition = all
    .find(({ metadata }) => metadata.name === "shop")
    ?.status?.conditions?.find(({ type }) => type === "NamespaceFinalizersRemaining");
  assert.equal(
    condition?.message,
    "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances",
  );
  await client.patch(RESOURCES.configmaps, "shop", "held", { type: "merge", body: { metadata: { finalizers: null } } });
  await until(
    cluster,
    RESOURCES.namespaces,
    "shop gone",
    (each) => !each.some(({ metadata }) => metadata.name === "shop"),
  );
  const left = await Promise.all(
    [RESOURCES.pods, RESOURCES.secrets, RESOURCES.replicasets].map((resource) =>
      client.list(resource as typeof RESOURCES.pods, { namespace: "shop" }),
    ),
  );
  assert.deepEqual(
    left.map(({ items }) => items.length),
    [0, 0, 0],
  );
});

test("pods of a namespace are not made anew while it goes", async (t) => {
  const cluster = await clusterFor(t, { nodes: 1 });
  await cluster.client.create(RESOURCES.namespaces, {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: "shop" },
  });
  await cluster.client.create(RESOURCES.pods, {
    ...pod("p"),
    metadata: { name: "p", namespace: "shop", finalizers: ["example.com/hold"] },
  });
  await cluster.client.delete(RESOURCES.namespaces, undefined, "shop");
  await assert.rejects(
    cluster.client.create(RESOURCES.pods, { ...pod("q"), metadata: { name: "q", namespace: "shop" } }),
    { code: "forbidden" },
  );
  await cluster.client.patch(RESOURCES.pods, "shop", "p", { type: "merge", body: { metadata: { finalizers: null } } });
  await until(
    cluster,
    RESOURCES.namespaces,
    "shop gone",
    (each) => !each.some(({ metadata }) => metadata.name === "shop"),
  );
});
