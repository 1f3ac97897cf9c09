import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { silentLogger } from "../../src/base/logger.ts";
import { RESOURCES } from "../../src/formats/kube-resources.ts";
import type { Pod } from "../../src/formats/kube-types.generated.ts";
import { startScheduler } from "../../src/kube-control/scheduler.ts";
import { clusterFor, deployment, pod, podSpec, requests, until, untilEvent } from "./support/cluster.ts";

const NODES = [
  { name: "small", capacity: { cpu: "1", memory: "1Gi", pods: "10" }, labels: { disk: "ssd" } },
  { name: "large", capacity: { cpu: "4", memory: "8Gi", pods: "10" } },
  {
    name: "tainted",
    taints: [{ key: "gpu", value: "yes", effect: "NoSchedule" }],
    capacity: { cpu: "4", memory: "8Gi", pods: "10" },
  },
];

function nodeOf(pods: readonly Pod[], name: string): string | undefined {
  return pods.find((each) => each.metadata.name === name)?.spec?.nodeName;
}

test("a pod goes where its requests, selector and tolerations let it", async (t) => {
  const cluster = await clusterFor(t, { nodes: NODES, controllers: [] });
  const { client } = cluster;
  await client.create(RESOURCES.pods, pod("big", requests("3")));
  await client.create(RESOURCES.pods, pod("fast", { nodeSelector: { disk: "ssd" } }));
  const tolerations = [{ key: "gpu", operator: "Exists" }];
  await client.create(RESOURCES.pods, pod("learns", { ...requests("4"), tolerations }));
  const pods = await until(
    cluster,
    RESOURCES.pods,
    "3 running pods",
    (all) => all.length === 3 && all.every((each) => each.status?.phase === "Running"),
  );
  assert.equal(nodeOf(pods, "big"), "large");
  assert.equal(nodeOf(pods, "fast"), "small");
  assert.equal(nodeOf(pods, "learns"), "tainted");
  const [scheduled] = await untilEvent(cluster, "big", "Scheduled");
  assert.equal(scheduled?.message, "Successfully assigned default/big to large");
  assert.equal(scheduled?.source?.component, "default-scheduler");
});

test("a pod that fits nowhere says why, and is placed as soon as there is room", async (t) => {
  const cluster = await clusterFor(t, { nodes: NODES, controllers: [] });
  const { client } = cluster;
  await client.create(RESOURCES.pods, pod("first", requests("3")));
  await until(cluster, RESOURCES.pods, "first pod placed", (all) => nodeOf(all, "first") !== undefined);
  await client.create(RESOURCES.pods, pod("second", requests("2")));
  const [failed] = await untilEvent(cluster, "second", "FailedScheduling");
  assert.match(
    failed?.message ?? "",
    /^0\/3 nodes are available: 1 node\(s\) had untolerated taint\(s\), 2 Insufficient cpu\./,
  );
  const condition = (all: readonly Pod[]) =>
    all
      .find((each) => each.metadata.name === "second")
      ?.status?.conditions?.find(({ type }) => type === "PodScheduled");
  const pods = await until(cluster, RESOURCES.pods, "PodScheduled condition", (all) => condition(all) !== undefined);
  assert.equal(condition(pods)?.status, "False");
  assert.equal(condition(pods)?.reason, "Unschedulable");
  assert.equal(condition(pods)?.message, failed?.message);
  await client.delete(RESOURCES.pods, "default", "first");
  await until(cluster, RESOURCES.pods, "second pod placed", (all) => nodeOf(all, "second") === "large");
});

test("without nodes there is nothing to choose from; a node that comes takes the pod", async (t) => {
  const cluster = await clusterFor(t, { controllers: [] });
  await cluster.client.create(RESOURCES.pods, pod("early"));
  const [failed] = await untilEvent(cluster, "early", "FailedScheduling");
  assert.equal(failed?.message, "no nodes available to schedule pods");
  const ready = { type: "Ready", status: "True" };
  const status = { capacity: { cpu: "1", memory: "1Gi", pods: "1" }, conditions: [ready] };
  await cluster.client.create(RESOURCES.nodes, { apiVersion: "v1", kind: "Node", metadata: { name: "late" }, status });
  await until(cluster, RESOURCES.pods, "pod on the late node", (all) => nodeOf(all, "early") === "late");
});

test("scheduling gates hold a pod back until they are taken away", async (t) => {
  const cluster = await clusterFor(t, { nodes: 1, controllers: [] });
  await cluster.client.create(RESOURCES.pods, pod("gated", { schedulingGates: [{ name: "example.com/wait" }] }));
  await cluster.client.create(RESOURCES.pods, pod("free"));
  const pods = await until(cluster, RESOURCES.pods, "free pod placed", (all) => nodeOf(all, "free") !== undefined);
  assert.equal(nodeOf(pods, "gated"), undefined);
  const body = { spec: { schedulingGates: null } };
  await cluster.client.patch(RESOURCES.pods, "default", "gated", { type: "merge", body });
  await until(cluster, RESOURCES.pods, "gated pod placed", (all) => nodeOf(all, "gated") !== undefined);
});

test("pods of another scheduler's name are left alone", async (t) => {
  const cluster = await clusterFor(t, { nodes: 1, controllers: [] });
  await cluster.client.create(RESOURCES.pods, pod("theirs", { schedulerName: "other" }));
  await cluster.client.create(RESOURCES.pods, pod("ours"));
  const pods = await until(cluster, RESOURCES.pods, "our pod placed", (all) => nodeOf(all, "ours") !== undefined);
  assert.equal(nodeOf(pods, "theirs"), undefined);
});

test("many pods fill nodes evenly and never beyond what they have", async (t) => {
  const cluster = await clusterFor(t, { nodes: 4, controllers: [] });
  for (let index = 0; index < 36; index++) await cluster.client.create(RESOURCES.pods, pod(`p${index}`, requests("1")));
  const pods = await until(
    cluster,
    RESOURCES.pods,
    "32 placed and 4 waiting",
    (all) =>
      all.filter((each) => each.spec?.nodeName).length === 32 &&
      all.filter((each) => each.status?.conditions?.some(({ reason }) => reason === "Unschedulable")).length === 4,
  );
  const byNode = Map.groupBy(
    pods.filter((each) => each.spec?.nodeName),
    (each) => each.spec?.nodeName,
  );
  assert.deepEqual(
    Array.from(byNode.values(), (each) => each.length),
    [8, 8, 8, 8],
  );
});

test("an important pod drives out lesser ones, is promised their place, and gets it when they have gone", async (t) => {
  const cluster = await clusterFor(t, {
    nodes: [{ name: "only", capacity: { cpu: "2", memory: "4Gi", pods: "10" } }],
    controllers: [],
  });
  const { client } = cluster;
  await client.create(RESOURCES.priorityclasses, {
    apiVersion: "scheduling.k8s.io/v1",
    kind: "PriorityClass",
    metadata: { name: "high" },
    value: 1000,
  });
  const slow = { annotations: { "simulated.gantry.dev/stop-ms": "200" } };
  await client.create(RESOURCES.pods, pod("low", requests("2"), slow));
  await until(cluster, RESOURCES.pods, "low runs", (all) => all[0]?.status?.phase === "Running");
  await client.create(RESOURCES.pods, pod("high", { ...requests("2"), priorityClassName: "high" }));
  const find = (all: readonly Pod[], name: string) => all.find(({ metadata }) => metadata.name === name);
  const during = await until(
    cluster,
    RESOURCES.pods,
    "the promise",
    (all) =>
      find(all, "high")?.status?.nominatedNodeName === "only" &&
      find(all, "low")?.metadata.deletionTimestamp !== undefined,
  );
  const target = find(during, "low")?.status?.conditions?.find(({ type }) => type === "DisruptionTarget");
  assert.deepEqual(
    [target?.reason, target?.message],
    ["PreemptionByScheduler", "default-scheduler: preempting to accommodate a higher priority pod"],
  );
  const [event] = await untilEvent(cluster, "low", "Preempted");
  assert.equal(event?.message, `Preempted by pod ${find(during, "high")?.metadata.uid ?? ""} on node only`);
  await until(
    cluster,
    RESOURCES.pods,
    "high runs",
    (all) => all.length === 1 && find(all, "high")?.status?.phase === "Running",
  );
});

test("three replicas that keep away from each other take three nodes, and a fourth waits for one", async (t) => {
  const cluster = await clusterFor(t, { nodes: 3 });
  const labels = { app: "redis" };
  const term = { topologyKey: "kubernetes.io/hostname", labelSelector: { matchLabels: labels } };
  const spec = podSpec({ affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } } });
  await cluster.client.create(
    RESOURCES.deployments,
    deployment("redis", 4, { template: { metadata: { labels }, spec } }),
  );
  const pods = await until(
    cluster,
    RESOURCES.pods,
    "3 placed, 1 not",
    (all) =>
      all.length === 4 &&
      all.filter(({ spec: is }) => is?.nodeName).length === 3 &&
      all.some(({ status }) => status?.conditions?.some(({ reason }) => reason === "Unschedulable")),
  );
  assert.equal(new Set(pods.flatMap(({ spec: is }) => is?.nodeName ?? [])).size, 3);
  const waiting = pods.find(({ spec: is }) => !is?.nodeName);
  const [event] = await untilEvent(cluster, waiting?.metadata.name ?? "", "FailedScheduling");
  assert.equal(
    event?.message,
    "0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules. preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod.",
  );
  await cluster.client.patch(RESOURCES.deployments, "default", "redis", {
    type: "merge",
    body: { spec: { replicas: 3 } },
  });
  await until(
    cluster,
    RESOURCES.pods,
    "3 pods on 3 nodes",
    (all) => all.length === 3 && all.every(({ spec: is }) => is?.nodeName),
  );
});

test("the scheduler can say why a pod waits, what would help, and why another is where it is", async (t) => {
  const cluster = await clusterFor(t, { nodes: NODES, controllers: [], scheduler: false });
  const { client, informers } = cluster;
  const scheduler = startScheduler({ client, informers, clock: systemClock, logger: silentLogger });
  t.after(() => scheduler.stop());
  await client.create(RESOURCES.pods, pod("fits", requests("100m")));
  await client.create(RESOURCES.pods, pod("waits", { ...requests("2"), nodeSelector: { disk: "ssd" } }));
  await until(
    cluster,
    RESOURCES.pods,
    "one placed, one not",
    (all) =>
      nodeOf(all, "fits") !== undefined &&
      all.some(({ status }) => status?.conditions?.some(({ reason }) => reason === "Unschedulable")),
  );
  const why = scheduler.why("default", "waits");
  assert.equal(why?.phase, "Unschedulable");
  assert.deepEqual(why?.reasons?.map(({ reason, nodes }) => `${reason}: ${nodes.toSorted().join()}`).sort(), [
    "Insufficient cpu: small",
    "node(s) didn't match Pod's node affinity/selector: large",
    "node(s) had untolerated taint(s): tainted",
  ]);
  assert.deepEqual(why?.remedies?.[0], {
    nodeName: "large",
    changes: ["drop the node selector, or label node large so"],
  });
  const placed = scheduler.why("default", "fits");
  assert.equal(placed?.phase, "Placed");
  assert.equal(placed?.scores?.[0]?.node, nodeOf((await client.list(RESOURCES.pods)).items, "fits"));
  assert.equal(scheduler.why("default", "nobody"), undefined);
});
