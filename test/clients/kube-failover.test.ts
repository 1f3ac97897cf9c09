// What a cluster is for, over six nodes with the real kubectl: a Redis cluster lives on when a node dies, data stays with its pod, and pods move
// away from a node that is gone. Takes minutes: with GANTRY_LONG_NODES=1 only.
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startGantry, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";
import { idle, ok, podTools } from "#test/pods.ts";

let gantry: TestGantry;
const { apply, field, kubectl, sh } = podTools(() => gantry);
const command = new URL("../../bin/gantry", import.meta.url).pathname;
const gantryNode = (...args: string[]): Promise<string> =>
  ok(gantry.run("env", ["GANTRY_SOURCE=1", command, "--root", gantry.root, "node", ...args]));

const skip = process.env["GANTRY_LONG_NODES"] ? false : "minutes: set GANTRY_LONG_NODES=1";
const MEMBERS = [0, 1, 2, 3, 4, 5].map((index) => `redis-${index}`);

const REDIS = [
  "redis-server --port 6379 --cluster-enabled yes --cluster-node-timeout 2000 --cluster-config-file /data/nodes.conf",
  "--appendonly yes --appendfsync always --dir /data --protected-mode no --cluster-announce-ip $IP",
].join(" ");

function redisCluster(): object[] {
  const labels = { app: "redis" };
  const container = {
    name: "redis",
    image: "redis",
    imagePullPolicy: "Never",
    command: ["sh", "-c", `exec ${REDIS}`],
    env: [{ name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } }],
    ports: [{ containerPort: 6379 }],
    readinessProbe: { exec: { command: ["redis-cli", "ping"] }, periodSeconds: 1 },
    volumeMounts: [{ name: "data", mountPath: "/data" }],
  };
  const spread = {
    requiredDuringSchedulingIgnoredDuringExecution: [
      { labelSelector: { matchLabels: labels }, topologyKey: "kubernetes.io/hostname" },
    ],
  };
  const claim = {
    metadata: { name: "data" },
    spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "64Mi" } } },
  };
  return [
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "redis" },
      spec: { clusterIP: "None", selector: labels, ports: [{ port: 6379 }] },
    },
    {
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      metadata: { name: "redis" },
      spec: {
        serviceName: "redis",
        replicas: MEMBERS.length,
        podManagementPolicy: "Parallel",
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: { terminationGracePeriodSeconds: 1, affinity: { podAntiAffinity: spread }, containers: [container] },
        },
        volumeClaimTemplates: [claim],
      },
    },
  ];
}

/** A client that follows the cluster's redirections; tried again while a failover is under way. */
async function redis(member: string, ...words: string[]): Promise<string> {
  const script = `timeout 3 redis-cli -c ${words.join(" ")} 2>&1`;
  let answer = "";
  for (let tries = 0; tries < 30; tries++) {
    const result = await gantry.kubectl("exec", member, "--", "sh", "-c", script);
    answer = result.stdout.trim();
    if (result.code === 0 && answer !== "" && !/CLUSTERDOWN|Could not connect|refused|timed out|No route/.test(answer))
      return answer;
    await delay(500);
  }
  return answer;
}

before(async () => {
  if (skip) return;
  gantry = await startGantry({ flags: ["--node-name", "m", "--nodes", "6"] });
  for (const image of ["redis", "busybox"]) await gantry.docker("load", "-i", await testImage(image));
});

describe("six nodes", { skip }, () => {
  test("a Redis cluster, one member on each node, lives on when the node of a master dies, and is whole when it is back", async () => {
    await apply(...redisCluster());
    await kubectl("rollout", "status", "statefulset/redis", "--timeout=90s");
    const nodes = new Map<string, string>();
    for (const member of MEMBERS) nodes.set(member, await field(member, ".spec.nodeName"));
    assert.equal(new Set(nodes.values()).size, 6);
    const addresses = await Promise.all(MEMBERS.map((member) => field(member, ".status.podIP")));
    const ends = addresses.map((address) => `${address}:6379`).join(" ");
    await sh("redis-0", `redis-cli --cluster create ${ends} --cluster-replicas 1 --cluster-yes`);
    const keys = Array.from({ length: 30 }, (_, index) => `key${index}`);
    await delay(3000);
    for (const key of keys) assert.equal(await redis("redis-0", "set", key, `value-of-${key}`), "OK");
    // A master that is not on the machine's own node, which cannot be switched off.
    const roles = await Promise.all(MEMBERS.map((member) => sh(member, "redis-cli role | head -n 1")));
    const victim =
      MEMBERS.find((member, index) => roles[index]?.trim() === "master" && nodes.get(member) !== "m") ?? "";
    const node = nodes.get(victim) ?? "";
    await gantryNode("stop", node);
    const witness = MEMBERS.find((member) => member !== victim) ?? "";
    for (const key of keys)
      assert.equal(await redis(witness, "get", key), `value-of-${key}`, `${key} after ${victim} died`);
    assert.equal(await redis(witness, "set", "after", "the-failover"), "OK");
    await gantryNode("start", node);
    await kubectl("wait", "--for=condition=Ready", `pod/${victim}`, "--timeout=60s");
    assert.equal(await field(victim, ".spec.nodeName"), node);
    assert.equal(await redis(victim, "get", "after"), "the-failover");
  });

  test("a StatefulSet's data is kept over deletion, and over scaling down and up", async () => {
    const mark = `mark-${Date.now()}`;
    await sh("redis-5", `echo ${mark} > /data/mark`);
    await kubectl("delete", "pod", "redis-5", "--now");
    await kubectl("wait", "--for=condition=Ready", "pod/redis-5", "--timeout=60s");
    assert.equal((await sh("redis-5", "cat /data/mark")).trim(), mark);
    await kubectl("scale", "statefulset/redis", "--replicas=5");
    await kubectl("wait", "--for=delete", "pod/redis-5", "--timeout=60s");
    await kubectl("scale", "statefulset/redis", "--replicas=6");
    await kubectl("rollout", "status", "statefulset/redis", "--timeout=60s");
    assert.equal((await sh("redis-5", "cat /data/mark")).trim(), mark);
    await kubectl("delete", "statefulset", "redis");
  });

  test("pods leave a node that is gone, and their names come back on another", async () => {
    const tolerations = ["not-ready", "unreachable"].map((name) => ({
      key: `node.kubernetes.io/${name}`,
      operator: "Exists",
      effect: "NoExecute",
      tolerationSeconds: 1,
    }));
    await apply({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "mover" },
      spec: {
        replicas: 5,
        selector: { matchLabels: { app: "mover" } },
        template: {
          metadata: { labels: { app: "mover" } },
          spec: {
            tolerations,
            topologySpreadConstraints: [
              {
                maxSkew: 1,
                topologyKey: "kubernetes.io/hostname",
                whenUnsatisfiable: "ScheduleAnyway",
                labelSelector: { matchLabels: { app: "mover" } },
              },
            ],
            containers: [idle()],
          },
        },
      },
    });
    await kubectl("rollout", "status", "deployment/mover", "--timeout=60s");
    const where = async (): Promise<string[]> =>
      (
        await kubectl(
          "get",
          "pods",
          "-l",
          "app=mover",
          "--field-selector=status.phase=Running",
          "-o",
          "jsonpath={range .items[*]}{.spec.nodeName}/{.metadata.deletionTimestamp} {end}",
        )
      )
        .trim()
        .split(" ")
        .filter((entry) => entry.endsWith("/"))
        .map((entry) => entry.slice(0, -1));
    const gone = (await where()).find((node) => node !== "m") ?? "";
    await gantryNode("stop", gone);
    await kubectl("wait", "--for=condition=Ready=Unknown", `node/${gone}`, "--timeout=90s");
    for (let tries = 0; tries < 60; tries++) {
      const nodes = await where();
      if (nodes.length === 5 && !nodes.includes(gone)) break;
      await delay(500);
    }
    const nodes = await where();
    assert.equal(nodes.length, 5);
    assert.ok(!nodes.includes(gone), `${gone} in ${nodes.join(" ")}`);
    await gantryNode("start", gone);
    await kubectl("wait", "--for=condition=Ready", `node/${gone}`, "--timeout=60s");
  });
});
