import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { virtualClock, type VirtualClock } from "../../src/base/clock.ts";
import { RESOURCES } from "../../src/formats/kube-resources.ts";
import type { Node, Pod } from "../../src/formats/kube-types.generated.ts";
import { createCluster, type Cluster } from "../../src/main/create-cluster.ts";
import { deployment, pod } from "./support/cluster.ts";
import { advanceUntil } from "./support/virtual-time.ts";

async function virtualCluster(t: TestContext, nodes: number): Promise<{ cluster: Cluster; clock: VirtualClock }> {
  const clock = virtualClock();
  const cluster = await createCluster({ nodes, clock });
  t.after(() => cluster.close());
  return { cluster, clock };
}

const nodesOf = (cluster: Cluster): Node[] => Array.from(cluster.informers.informer(RESOURCES.nodes).cache.values());
const podsOf = (cluster: Cluster): Pod[] => Array.from(cluster.informers.informer(RESOURCES.pods).cache.values());
const nodeNamed = (cluster: Cluster, name: string): Node | undefined =>
  nodesOf(cluster).find(({ metadata }) => metadata.name === name);
const readiness = (node: Node | undefined) => node?.status?.conditions?.find(({ type }) => type === "Ready");
const taints = (node: Node | undefined): string[] =>
  (node?.spec?.taints ?? []).map(({ key, effect }) => `${key}:${effect}`).sort();

test("a silent node becomes unknown after its grace, is tainted, and its pods move after their tolerations' time", async (t) => {
  const { cluster, clock } = await virtualCluster(t, 3);
  const tolerations = [
    { key: "node.kubernetes.io/unreachable", operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 },
  ];
  const template = {
    metadata: { labels: { app: "web" } },
    spec: { containers: [{ name: "c", image: "x" }], tolerations },
  };
  await cluster.client.create(RESOURCES.deployments, deployment("web", 3, { template }));
  await advanceUntil(
    clock,
    "3 running pods",
    () => podsOf(cluster).filter(({ status }) => status?.phase === "Running").length === 3,
  );
  await clock.advance(120_000);
  assert.deepEqual(
    nodesOf(cluster).map((node) => readiness(node)?.status),
    ["True", "True", "True"],
    "heartbeats keep nodes ready",
  );

  const lost = podsOf(cluster)[0]?.spec?.nodeName ?? "";
  cluster.nodes?.setAlive(lost, false);
  const since = clock.now();
  await advanceUntil(clock, "the node is unknown", () => readiness(nodeNamed(cluster, lost))?.status === "Unknown");
  assert.ok(clock.now() - since >= 40_000 && clock.now() - since <= 51_000, `${clock.now() - since} ms`);
  assert.equal(readiness(nodeNamed(cluster, lost))?.reason, "NodeStatusUnknown");
  await advanceUntil(clock, "taints", () => taints(nodeNamed(cluster, lost)).length === 2);
  assert.deepEqual(taints(nodeNamed(cluster, lost)), [
    "node.kubernetes.io/unreachable:NoExecute",
    "node.kubernetes.io/unreachable:NoSchedule",
  ]);
  await advanceUntil(clock, "its pods are not ready", () =>
    podsOf(cluster)
      .filter(({ spec }) => spec?.nodeName === lost)
      .every(({ status }) => status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "False")),
  );
  const tainted = clock.now();
  await advanceUntil(
    clock,
    "3 running pods elsewhere",
    () =>
      podsOf(cluster).filter(
        ({ spec, status, metadata }) =>
          spec?.nodeName !== lost && status?.phase === "Running" && !metadata.deletionTimestamp,
      ).length === 3,
  );
  assert.ok(clock.now() - tainted >= 298_000 && clock.now() - tainted <= 303_000, `${clock.now() - tainted} ms`);

  cluster.nodes?.setAlive(lost, true);
  await advanceUntil(clock, "no taints", () => taints(nodeNamed(cluster, lost)).length === 0);
  await advanceUntil(clock, "its old pods are gone", () => podsOf(cluster).length === 3);
});

test("when every node is silent nothing is evicted: more likely this end is cut off", async (t) => {
  const { cluster, clock } = await virtualCluster(t, 2);
  await cluster.client.create(RESOURCES.pods, pod("p"));
  await advanceUntil(clock, "running", () => podsOf(cluster)[0]?.status?.phase === "Running");
  cluster.nodes?.setAlive("node-1", false);
  cluster.nodes?.setAlive("node-2", false);
  await clock.advance(60_000);
  assert.deepEqual(
    nodesOf(cluster).map((node) => readiness(node)?.status),
    ["Unknown", "Unknown"],
  );
  await clock.advance(600_000);
  assert.ok(nodesOf(cluster).every((node) => taints(node).every((taint) => !taint.endsWith("NoExecute"))));
  assert.equal(podsOf(cluster)[0]?.metadata.deletionTimestamp, undefined);
});

test("a NoExecute taint set by hand drives out at once what does not tolerate it", async (t) => {
  const { cluster, clock } = await virtualCluster(t, 1);
  await cluster.client.create(
    RESOURCES.pods,
    pod("stays", { tolerations: [{ key: "maintenance", operator: "Exists" }] }),
  );
  await cluster.client.create(
    RESOURCES.pods,
    pod("later", {
      tolerations: [{ key: "maintenance", operator: "Exists", effect: "NoExecute", tolerationSeconds: 60 }],
    }),
  );
  await cluster.client.create(RESOURCES.pods, pod("leaves"));
  await advanceUntil(
    clock,
    "running",
    () => podsOf(cluster).filter(({ status }) => status?.phase === "Running").length === 3,
  );
  const timeAdded = new Date(clock.now()).toISOString();
  const body = { spec: { taints: [{ key: "maintenance", effect: "NoExecute", timeAdded }] } };
  await cluster.client.patch(RESOURCES.nodes, undefined, "node-1", { type: "merge", body });
  const names = (): string =>
    podsOf(cluster)
      .map(({ metadata }) => metadata.name)
      .sort()
      .join();
  await advanceUntil(clock, "one gone", () => names() === "later,stays");
  assert.ok(clock.now() - Date.parse(timeAdded) < 1000);
  await advanceUntil(clock, "two gone", () => names() === "stays");
  assert.ok(clock.now() - Date.parse(timeAdded) >= 60_000);
});

test("pods of a node that was deleted are given up after forty seconds", async (t) => {
  const { cluster, clock } = await virtualCluster(t, 2);
  await cluster.client.create(RESOURCES.pods, pod("p", { nodeName: "node-1" }));
  await advanceUntil(clock, "running", () => podsOf(cluster)[0]?.status?.phase === "Running");
  const since = clock.now();
  cluster.nodes?.setAlive("node-1", false);
  await cluster.client.delete(RESOURCES.nodes, undefined, "node-1");
  await advanceUntil(clock, "pod gone", () => podsOf(cluster).length === 0);
  assert.ok(clock.now() - since >= 40_000 && clock.now() - since < 45_000);
});

test("cordoning a node taints it, uncordoning takes the taint away", async (t) => {
  const { cluster, clock } = await virtualCluster(t, 1);
  const cordon = (unschedulable: boolean) =>
    cluster.client.patch(RESOURCES.nodes, undefined, "node-1", { type: "merge", body: { spec: { unschedulable } } });
  await cordon(true);
  await advanceUntil(
    clock,
    "taint",
    () => taints(nodeNamed(cluster, "node-1")).join() === "node.kubernetes.io/unschedulable:NoSchedule",
  );
  await cordon(false);
  await advanceUntil(clock, "no taint", () => taints(nodeNamed(cluster, "node-1")).length === 0);
});
