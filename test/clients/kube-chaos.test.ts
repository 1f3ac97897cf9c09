// Minutes of trouble over four nodes: daemon and shims killed, nodes switched off and partitioned, pods deleted. When it is over, everything that was
// asked for is there and is reached. With GANTRY_CHAOS_MINUTES=10 (and GANTRY_CHAOS_SEED to see the same again).
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startGantry, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";
import { busybox, idle, ok, pod, podTools } from "#test/pods.ts";

const minutes = Number(process.env["GANTRY_CHAOS_MINUTES"] ?? 0);
const skip = minutes > 0 ? false : "minutes of trouble: set GANTRY_CHAOS_MINUTES=10";
const seed = Number(process.env["GANTRY_CHAOS_SEED"] ?? Date.now() % 1_000_000);

let gantry: TestGantry;
const { apply, kubectl, ready, sh } = podTools(() => gantry);
const command = new URL("../../bin/gantry", import.meta.url).pathname;
const gantryNode = (...args: string[]): Promise<string> =>
  ok(gantry.run("env", ["GANTRY_SOURCE=1", command, "--root", gantry.root, "node", ...args]));

/** mulberry32: the same trouble again from the same seed. */
function randomFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const random = randomFrom(seed);
const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(random() * list.length)];

function deployment(name: string, replicas: number, container: object): object {
  const labels = { app: name };
  const tolerations = ["not-ready", "unreachable"].map((key) => ({
    key: `node.kubernetes.io/${key}`,
    operator: "Exists",
    effect: "NoExecute",
    tolerationSeconds: 2,
  }));
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { terminationGracePeriodSeconds: 1, tolerations, containers: [container] },
      },
    },
  };
}

/** Shims of this Gantry: processes whose command line names its root. */
function shims(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, "utf8");
        return line.includes(`${gantry.root}/run/shims/`);
      } catch {
        return false;
      }
    });
}

async function killDaemon(): Promise<void> {
  await gantry.kill();
  await gantry.restart();
}

async function killShim(): Promise<void> {
  const victim = pick(shims());
  if (victim !== undefined) process.kill(victim, "SIGKILL");
}

async function deletePod(): Promise<void> {
  const names = (await kubectl("get", "pods", "-l", "app", "-o", "jsonpath={.items[*].metadata.name}"))
    .trim()
    .split(" ");
  await gantry.kubectl("delete", "pod", pick(names) ?? "", "--now", "--wait=false");
}

const NODES = ["c-2", "c-3", "c-4"];
const trouble: Readonly<Record<string, () => Promise<unknown>>> = {
  "kill daemon": killDaemon,
  "kill shim": killShim,
  "delete pod": deletePod,
  "stop node": () => gantryNode("stop", pick(NODES) ?? ""),
  "partition node": () => gantryNode("partition", pick(NODES) ?? ""),
  "start node": () => gantryNode("start", pick(NODES) ?? ""),
};

before(async () => {
  if (skip) return;
  gantry = await startGantry({ flags: ["--node-name", "c", "--nodes", "4"] });
  await gantry.docker("load", "-i", await testImage("busybox"));
});

describe("chaos", { skip }, () => {
  test(`${minutes} minutes of trouble, seed ${seed}`, async (t) => {
    const script = "mkdir /w; hostname > /w/index.html; exec httpd -f -p 8080 -h /w";
    const probe = { readinessProbe: { httpGet: { path: "/", port: 8080 }, periodSeconds: 1 } };
    await apply(
      deployment("web", 6, busybox("main", script, probe)),
      deployment("idle", 4, idle()),
      {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "web" },
        spec: { selector: { app: "web" }, ports: [{ port: 80, targetPort: 8080 }] },
      },
      pod("client", { nodeName: "c", containers: [idle()] }),
    );
    await kubectl("rollout", "status", "deployment/web", "--timeout=90s");
    const until = Date.now() + minutes * 60_000;
    const counts = new Map<string, number>();
    while (Date.now() < until) {
      const name = pick(Object.keys(trouble)) ?? "";
      counts.set(name, (counts.get(name) ?? 0) + 1);
      await trouble[name]?.();
      await delay(1000 + random() * 9000);
    }
    t.diagnostic(Array.from(counts, ([name, count]) => `${name}: ${count}`).join(", "));
    for (const node of NODES) await gantryNode("start", node);
    await kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=55s");
    for (const name of ["web", "idle"]) await kubectl("rollout", "status", `deployment/${name}`, "--timeout=55s");
    await ready("client");
    for (let times = 0; times < 20; times++) {
      const answer = await sh("client", "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 web 80 | tail -n 1");
      assert.match(answer, /^web-/);
    }
    const pods = (await kubectl("get", "pods", "-l", "app", "-o", "jsonpath={range .items[*]}{.status.phase} {end}"))
      .trim()
      .split(" ");
    assert.equal(pods.filter((phase) => phase === "Running").length, 10, pods.join(" "));
  });
});
