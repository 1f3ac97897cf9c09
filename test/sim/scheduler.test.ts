import assert from "node:assert/strict";
import { test } from "node:test";
import { RESOURCES } from "../../src/formats/kube-resources.ts";
import type { Pod } from "../../src/formats/kube-types.generated.ts";
import { clusterFor, pod, requests, until, untilEvent } from "./support/cluster.ts";

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
