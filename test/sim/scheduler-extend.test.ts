// What others add to the scheduler: plugins at every extension point, and extenders over HTTP.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { silentLogger } from "../../src/base/logger.ts";
import { RESOURCES } from "../../src/formats/kube-resources.ts";
import type { Pod } from "../../src/formats/kube-types.generated.ts";
import { readSchedulerConfig } from "../../src/kube-control/scheduler-config.ts";
import { startScheduler, type Scheduler, type SchedulerOptions } from "../../src/kube-control/scheduler.ts";
import type { Cluster } from "../../src/main/create-cluster.ts";
import { clusterFor, pod, requests, until, untilEvent } from "./support/cluster.ts";

function schedulerFor(t: TestContext, { client, informers }: Cluster, more: Partial<SchedulerOptions>): Scheduler {
  const scheduler = startScheduler({ client, informers, clock: systemClock, logger: silentLogger, ...more });
  t.after(() => scheduler.stop());
  return scheduler;
}

const nodeOf = (all: readonly Pod[], name: string): string | undefined =>
  all.find((each) => each.metadata.name === name)?.spec?.nodeName;

test("a plugin of a third party is asked at every extension point, in order", async (t) => {
  const cluster = await clusterFor(t, { nodes: 3, controllers: [], scheduler: false });
  const seen: string[] = [];
  const saw = (point: string): void => {
    if (seen.at(-1) !== point) seen.push(point);
  };
  let open = false;
  const plugins = {
    multiPoint: { enabled: [{ name: "Mine", weight: 100 }] },
    bind: { enabled: [{ name: "Mine" }, { name: "DefaultBinder" }] },
    queueSort: { disabled: [{ name: "PrioritySort" }], enabled: [{ name: "Mine" }] },
  };
  schedulerFor(t, cluster, {
    profiles: [{ schedulerName: "default-scheduler", plugins }],
    plugins: {
      Mine: () => ({
        name: "Mine",
        events: [{ resource: "Node", actions: ["UpdateNodeLabel"] }],
        before: (a, b) => a.info.key < b.info.key,
        preEnqueue: () => {
          saw("preEnqueue");
          return open ? undefined : { plugin: "Mine", code: "Unschedulable", reasons: ["closed"] };
        },
        preFilter({ cluster: state }) {
          saw("preFilter");
          const first = state.rowByName.get("node-1");
          return {
            kind: "filter",
            filter(row) {
              saw("filter");
              return row === first ? { plugin: "Mine", code: "Unschedulable", reasons: ["not the first"] } : undefined;
            },
          };
        },
        preScore({ cluster: state }) {
          saw("preScore");
          const last = state.rowByName.get("node-3");
          return {
            score: (row) => (row === last ? 7 : 3),
            normalize(scores) {
              saw("normalizeScore");
              scores.forEach((score, index) => (scores[index] = score === 7 ? 100 : 0));
            },
          };
        },
        reserve: () => {
          saw("reserve");
          return undefined;
        },
        unreserve: () => saw("unreserve"),
        permit: () => {
          saw("permit");
          return { kind: "wait", timeoutMs: 1000, decided: Promise.resolve(undefined) };
        },
        preBind: async () => saw("preBind"),
        bind: async () => {
          saw("bind");
          return false;
        },
        postBind: () => saw("postBind"),
      }),
    },
  });
  await cluster.client.create(RESOURCES.pods, pod("p"));
  await until(cluster, RESOURCES.pods, "the pod is held back", () => seen.includes("preEnqueue"));
  open = true;
  const body = { metadata: { labels: { changed: "yes" } } };
  await cluster.client.patch(RESOURCES.nodes, undefined, "node-2", { type: "merge", body });
  const pods = await until(cluster, RESOURCES.pods, "placed", (all) => nodeOf(all, "p") !== undefined);
  assert.equal(nodeOf(pods, "p"), "node-3");
  await untilEvent(cluster, "p", "Scheduled");
  assert.deepEqual(seen, [
    "preEnqueue",
    "preFilter",
    "filter",
    "preScore",
    "normalizeScore",
    "reserve",
    "permit",
    "preBind",
    "bind",
    "postBind",
  ]);
});

interface Call {
  readonly verb: string;
  readonly body: Record<string, unknown>;
}

/** An extender's service; `answer` by verb. */
async function extender(t: TestContext, answer: (call: Call) => unknown): Promise<{ url: string; calls: Call[] }> {
  const calls: Call[] = [];
  const server = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk) => (text += String(chunk)));
    request.on("end", () => {
      const call = { verb: request.url?.slice(1) ?? "", body: JSON.parse(text) as Record<string, unknown> };
      calls.push(call);
      const answering = async (): Promise<unknown> => answer(call);
      answering().then(
        (value) => response.end(JSON.stringify(value)),
        () => response.writeHead(500).end(),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, calls };
}

const config = (extenders: readonly object[]) =>
  readSchedulerConfig({ apiVersion: "kubescheduler.config.k8s.io/v1", kind: "KubeSchedulerConfiguration", extenders });

test("an extender filters, scores and binds; nodes that it knows are sent by name", async (t) => {
  const cluster = await clusterFor(t, { nodes: 4, controllers: [], scheduler: false });
  const { url, calls } = await extender(t, async ({ verb, body }) => {
    if (verb === "filter") {
      const names = (body["NodeNames"] as string[]).filter((name) => name !== "node-1");
      return { NodeNames: names, FailedNodes: { "node-1": "mine says no" } };
    }
    if (verb === "prioritize") return [{ Host: "node-3", Score: 10 }];
    const { PodName, PodNamespace, PodUID, Node } = body as Record<string, string>;
    await cluster.client.post(RESOURCES.pods, PodNamespace, PodName ?? "", "binding", {
      apiVersion: "v1",
      kind: "Binding",
      metadata: { name: PodName, namespace: PodNamespace, uid: PodUID },
      target: { kind: "Node", name: Node },
    });
    return {};
  });
  const verbs = { filterVerb: "filter", prioritizeVerb: "prioritize", bindVerb: "bind", weight: 5 };
  const { extenders } = config([{ urlPrefix: url, ...verbs, nodeCacheCapable: true }]);
  schedulerFor(t, cluster, { extenders });
  await cluster.client.create(RESOURCES.pods, pod("p"));
  const pods = await until(cluster, RESOURCES.pods, "placed", (all) => nodeOf(all, "p") !== undefined);
  assert.equal(nodeOf(pods, "p"), "node-3");
  assert.deepEqual(
    calls.map(({ verb }) => verb),
    ["filter", "prioritize", "bind"],
  );
});

test("an extender that says no everywhere is heard; one that fails is ignored only when it may be", async (t) => {
  const cluster = await clusterFor(t, { nodes: 2, controllers: [], scheduler: false });
  const { url } = await extender(t, ({ verb }) => {
    if (verb === "broken") throw new Error("no");
    return { Nodes: { items: [] }, FailedNodes: { "node-1": "no licence", "node-2": "no licence" } };
  });
  const only = (name: string) => [{ name, ignoredByScheduler: true }];
  const { extenders } = config([
    { urlPrefix: url, filterVerb: "filter", managedResources: only("example.com/licence") },
    { urlPrefix: url, filterVerb: "broken", managedResources: only("example.com/ignored"), ignorable: true },
    { urlPrefix: url, filterVerb: "broken", managedResources: only("example.com/needed") },
  ]);
  schedulerFor(t, cluster, { extenders });
  const asking = (name: string): Pod => {
    const limits = { [`example.com/${name}`]: "1" };
    return pod(name, { containers: [{ name: "c", image: "x", resources: { limits } }] });
  };
  for (const name of ["licence", "ignored", "needed"]) await cluster.client.create(RESOURCES.pods, asking(name));
  await until(cluster, RESOURCES.pods, "ignored placed", (all) => nodeOf(all, "ignored") !== undefined);
  const [refused] = await untilEvent(cluster, "licence", "FailedScheduling");
  assert.match(refused?.message ?? "", /^0\/2 nodes are available: 2 no licence\./);
  const [failed] = await untilEvent(cluster, "needed", "FailedScheduling");
  assert.match(failed?.message ?? "", /failed broken with extender at URL .*, code 500/);
});

test("an extender has its say on whose pods make room", async (t) => {
  const nodes = ["a", "b"].map((name) => ({ name, capacity: { cpu: "1", memory: "1Gi", pods: "10" } }));
  const cluster = await clusterFor(t, { nodes, controllers: [], scheduler: false });
  const { url, calls } = await extender(t, ({ body }) => {
    const { b } = body["NodeNameToMetaVictims"] as Record<string, unknown>;
    return { NodeNameToMetaVictims: { b } };
  });
  const { extenders } = config([{ urlPrefix: url, preemptVerb: "preempt", nodeCacheCapable: true }]);
  schedulerFor(t, cluster, { extenders });
  const { client } = cluster;
  const metadata = { name: "high" };
  await client.create(RESOURCES.priorityclasses, {
    apiVersion: "scheduling.k8s.io/v1",
    kind: "PriorityClass",
    metadata,
    value: 1000,
  });
  for (const name of ["one", "two"]) await client.create(RESOURCES.pods, pod(name, requests("1")));
  await until(
    cluster,
    RESOURCES.pods,
    "both nodes full",
    (all) => all.filter(({ spec }) => spec?.nodeName).length === 2,
  );
  await client.create(RESOURCES.pods, pod("high", { ...requests("1"), priorityClassName: "high" }));
  const pods = await until(cluster, RESOURCES.pods, "high placed", (all) => nodeOf(all, "high") !== undefined);
  assert.equal(nodeOf(pods, "high"), "b");
  assert.equal(calls[0]?.verb, "preempt");
});

test("a node takes no more volumes of a driver than its CSINode says", async (t) => {
  const cluster = await clusterFor(t, { nodes: 2, controllers: [], scheduler: false });
  const { client } = cluster;
  for (const [name, count] of [
    ["node-1", 1],
    ["node-2", 0],
  ] as const) {
    const drivers = [{ name: "csi.example.com", nodeID: name, allocatable: { count } }];
    await client.create(RESOURCES.csinodes, {
      apiVersion: "storage.k8s.io/v1",
      kind: "CSINode",
      metadata: { name },
      spec: { drivers },
    });
  }
  schedulerFor(t, cluster, {});
  for (const name of ["v1", "v2"]) {
    const csi = { driver: "csi.example.com", volumeHandle: name };
    await client.create(RESOURCES.persistentvolumes, {
      apiVersion: "v1",
      kind: "PersistentVolume",
      metadata: { name },
      spec: { accessModes: ["ReadWriteOnce"], capacity: { storage: "1Gi" }, csi },
    });
    await client.create(RESOURCES.persistentvolumeclaims, {
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name, namespace: "default", annotations: { "pv.kubernetes.io/bind-completed": "yes" } },
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } }, volumeName: name },
    });
  }
  const using = (name: string, claimName: string): Pod =>
    pod(name, { volumes: [{ name: "v", persistentVolumeClaim: { claimName } }] });
  await client.create(RESOURCES.pods, using("first", "v1"));
  await until(cluster, RESOURCES.pods, "first placed", (all) => nodeOf(all, "first") === "node-1");
  await client.create(RESOURCES.pods, using("same-volume", "v1"));
  await until(cluster, RESOURCES.pods, "one more pod of it", (all) => nodeOf(all, "same-volume") === "node-1");
  await client.create(RESOURCES.pods, using("other-volume", "v2"));
  const [failed] = await untilEvent(cluster, "other-volume", "FailedScheduling");
  assert.match(failed?.message ?? "", /^0\/2 nodes are available: 2 node\(s\) exceed max volume count\./);
});
