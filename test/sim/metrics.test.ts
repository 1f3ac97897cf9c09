// metrics.k8s.io of simulated nodes: discovery, documents, tables, selectors.
import assert from "node:assert/strict";
import { test } from "node:test";
import { NODE_METRICS, POD_METRICS } from "../../src/formats/kube-metrics.ts";
import { RESOURCES } from "../../src/formats/kube-resources.ts";
import { clusterFor, pod, requests, until } from "./support/cluster.ts";

const PREFIX = "simulated.gantry.dev/";

test("nodes and pods tell what they use, by name, namespace and label", async (t) => {
  const cluster = await clusterFor(t, { nodes: 2 });
  const { client } = cluster;
  const annotations = { [`${PREFIX}cpu`]: "250m", [`${PREFIX}memory`]: "64Mi" };
  await client.create(RESOURCES.pods, pod("busy", { nodeName: "node-1" }, { annotations, labels: { app: "busy" } }));
  await client.create(RESOURCES.pods, pod("asks", { nodeName: "node-2", ...requests("100m", "32Mi") }));
  await until(
    cluster,
    RESOURCES.pods,
    "two running",
    (pods) => pods.length === 2 && pods.every((each) => each.status?.phase === "Running"),
  );
  const { items } = await client.list(POD_METRICS, { namespace: "default" });
  const seen = items.map(({ metadata, containers }) => [metadata.name, containers]);
  assert.deepEqual(seen, [
    ["asks", [{ name: "main", usage: { cpu: "100m", memory: "32Mi" } }]],
    ["busy", [{ name: "main", usage: { cpu: "250m", memory: "64Mi" } }]],
  ]);
  assert.match(items[0]?.window ?? "", /^\d+(\.\d+)?s$/);
  const labelled = await client.list(POD_METRICS, { labelSelector: "app=busy" });
  assert.deepEqual(
    labelled.items.map(({ metadata }) => [metadata.name, metadata.labels]),
    [["busy", { app: "busy" }]],
  );
  const node = await client.get(NODE_METRICS, undefined, "node-1");
  assert.deepEqual(node.usage, { cpu: "250m", memory: "64Mi" });
  await assert.rejects(client.get(POD_METRICS, "default", "none"), /pods "default\/none" not found/);
  const served = (await cluster.discovery.resources()).filter(({ group }) => group === "metrics.k8s.io");
  assert.deepEqual(
    served.map(({ resource, verbs }) => [resource, verbs]),
    [
      ["nodes", ["get", "list"]],
      ["pods", ["get", "list"]],
    ],
  );
});
