// Several nodes on one machine with the real kubectl: each reaches the others' pods and services, and fails as a machine does.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startGantry, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";
import { ok, pod, podTools, busybox, idle } from "#test/pods.ts";

const NODES = 3;
let gantry: TestGantry;
const tools = podTools(() => gantry);
const { kubectl, apply } = tools;

const command = new URL("../../bin/gantry", import.meta.url).pathname;
const names = Array.from({ length: NODES }, (_, index) => (index === 0 ? "alpha" : `alpha-${index + 1}`));
/** From the sources, as the Gantry that the test runs on. */
const gantryNode = (...args: string[]): Promise<string> =>
  ok(gantry.run("env", ["GANTRY_SOURCE=1", command, "--root", gantry.root, "node", ...args]));

/** A server on a node that says where it is; with it, a place to ask from. */
function webOn(node: string, more: object = {}): object {
  const script = `mkdir /w; echo ${node} > /w/index.html; exec httpd -f -p 8080 -h /w`;
  return pod(
    `web-${node}`,
    {
      nodeName: node,
      containers: [
        busybox("main", script, { readinessProbe: { httpGet: { path: "/", port: 8080 }, periodSeconds: 1 } }),
      ],
      ...more,
    },
    { labels: { app: "web", on: node } },
  );
}

function service(name: string, selector: object, more: object = {}): object {
  const ports = [{ port: 80, targetPort: 8080 }];
  return { apiVersion: "v1", kind: "Service", metadata: { name }, spec: { selector, ports, ...more } };
}

/** The last line that a server says to a pod. */
async function ask(from: string, host: string, port: number): Promise<string> {
  const text = await tools.sh(
    from,
    `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 ${host} ${port} 2>&1 | tail -n 1; true`,
  );
  return text.trim();
}

async function nodeReady(name: string): Promise<string> {
  return kubectl("get", "node", name, "-o", 'jsonpath={.status.conditions[?(@.type=="Ready")].status}');
}

before(async () => {
  gantry = await startGantry({
    flags: ["--node-name", "alpha", "--nodes", String(NODES), "--node-labels", "disk=ssd,zone=a"],
  });
  await gantry.docker("load", "-i", await testImage("busybox"));
  await apply(
    ...names.map((name) => webOn(name)),
    service("web", { app: "web" }),
    ...names.map((name) => service(`at-${name}`, { on: name })),
  );
  for (const name of names) await tools.ready(`web-${name}`);
});

describe("several nodes on one machine", () => {
  test("each has its own name, address, range of pods, labels, and its share of the machine", async () => {
    const text = await kubectl(
      "get",
      "nodes",
      "-o",
      'jsonpath={range .items[*]}{.metadata.name} {.spec.podCIDR} {.status.addresses[?(@.type=="InternalIP")].address} {.metadata.labels.disk} {.status.capacity.memory}{"\\n"}{end}',
    );
    const rows = text
      .trim()
      .split("\n")
      .map((line) => line.split(" "));
    assert.deepEqual(rows.map(([name]) => name).sort(), names);
    for (const column of [1, 2]) assert.equal(new Set(rows.map((row) => row[column])).size, NODES);
    assert.ok(rows.every((row) => row[3] === "ssd"));
    assert.equal(new Set(rows.map((row) => row[4])).size, 1);
    assert.match(await gantryNode("list"), /alpha-2 +running/);
  });

  test("pods of all nodes reach each other, by address, by service, by name", async () => {
    const ips = new Map<string, string>();
    for (const name of names) ips.set(name, await tools.field(`web-${name}`, ".status.podIP"));
    for (const from of names)
      for (const to of names) {
        assert.equal(await ask(`web-${from}`, ips.get(to) ?? "", 8080), to, `${from} to ${to} by address`);
        assert.equal(await ask(`web-${from}`, `at-${to}`, 80), to, `${from} to ${to} by service`);
      }
    const { stdout } = await gantry.run("curl", ["-sS", "--max-time", "3", `http://${ips.get("alpha-3")}:8080/`]);
    assert.equal(stdout.trim(), "alpha-3", "from the machine");
  });

  test("a pod on the network of its node has that node's address and name, and so have host ports", async () => {
    const script = `mkdir /w; hostname > /w/index.html; exec httpd -f -p 9090 -h /w`;
    const on = (node: string): object =>
      pod(`host-${node}`, { nodeName: node, hostNetwork: true, containers: [busybox("main", script)] });
    await apply(on("alpha-2"), on("alpha-3"));
    for (const node of ["alpha-2", "alpha-3"]) {
      await tools.ready(`host-${node}`);
      const ip = await tools.field(`host-${node}`, ".status.podIP");
      assert.equal(ip, await tools.field(`host-${node}`, ".status.hostIP"));
      assert.equal(await ask("web-alpha", ip, 9090), node);
    }
    await kubectl("delete", "pod", "host-alpha-2", "host-alpha-3", "--now");
  });

  test("a node port answers at every node's address", async () => {
    await kubectl("patch", "service", "web", "-p", JSON.stringify({ spec: { type: "NodePort" } }));
    const port = Number(await kubectl("get", "service", "web", "-o", "jsonpath={.spec.ports[0].nodePort}"));
    for (const node of ["alpha-2", "alpha-3"]) {
      const ip = await tools.field(`web-${node}`, ".status.hostIP");
      const { stdout } = await gantry.run("curl", ["-sS", "--max-time", "3", `http://${ip}:${port}/`]);
      assert.ok(names.includes(stdout.trim()), `${node}: ${stdout}`);
    }
  });

  test("a health check port says on each node whether it has endpoints", async () => {
    const spec = { type: "LoadBalancer", externalTrafficPolicy: "Local" };
    await kubectl("patch", "service", "at-alpha-2", "-p", JSON.stringify({ spec }));
    const port = await kubectl("get", "service", "at-alpha-2", "-o", "jsonpath={.spec.healthCheckNodePort}");
    /** The port is opened a moment after the service was changed. */
    const codeAt = async (node: string): Promise<string> => {
      const ip = await tools.field(`web-${node}`, ".status.hostIP");
      const args = ["-s", "--max-time", "3", "-o", "/dev/null", "-w", "%{http_code}", `http://${ip}:${port}/`];
      let code = "000";
      for (let tries = 0; tries < 20 && code === "000"; tries++) {
        code = (await gantry.run("curl", args)).stdout;
        if (code === "000") await delay(100);
      }
      return code;
    };
    assert.equal(await codeAt("alpha-2"), "200");
    assert.equal(await codeAt("alpha-3"), "503");
  });

  test("logs and exec reach every node", async () => {
    await apply(pod("talker", { nodeName: "alpha-3", containers: [busybox("main", "echo here; sleep 600")] }));
    await tools.ready("talker");
    assert.equal((await kubectl("logs", "talker")).trim(), "here");
    assert.equal((await tools.sh("talker", "echo there")).trim(), "there");
    await kubectl("delete", "pod", "talker", "--now");
  });
});

describe("nodes that fail", () => {
  test("kill -9 of Gantry: containers of all nodes run on, and nothing is started again", async () => {
    const started = (name: string): Promise<string> =>
      tools.field(`web-${name}`, ".status.containerStatuses[0].state.running.startedAt");
    const before = await Promise.all(names.map(started));
    await gantry.kill();
    await gantry.restart();
    for (const name of names) await tools.ready(`web-${name}`);
    assert.deepEqual(await Promise.all(names.map(started)), before);
    assert.equal(await ask("web-alpha-2", "at-alpha-3", 80), "alpha-3");
    assert.equal(await ask("web-alpha", "at-alpha-2", 80), "alpha-2");
  });

  test("a partitioned node keeps its containers, is reached by nobody, and comes back", async () => {
    const ip = await tools.field("web-alpha-3", ".status.podIP");
    assert.match(await gantryNode("partition", "alpha-3"), /partitioned/);
    assert.notEqual(await ask("web-alpha", ip, 8080), "alpha-3");
    assert.match((await gantry.kubectl("exec", "web-alpha-3", "--", "true")).stderr, /alpha-3 does not answer/);
    await gantryNode("start", "alpha-3");
    assert.equal(await ask("web-alpha", ip, 8080), "alpha-3");
    assert.equal(await tools.field("web-alpha-3", ".status.containerStatuses[0].restartCount"), "0");
  });

  test("a node is added, with labels and taints of its own, and taken away with what is on it", async () => {
    await gantryNode("add", "extra", "--labels", "disk=hdd", "--taints", "only=mine:NoSchedule");
    assert.equal(await nodeReady("extra"), "True");
    const tolerations = [{ key: "only", operator: "Exists" }];
    const nodeSelector = { disk: "hdd" };
    await apply(
      pod("guest", { nodeSelector, tolerations, containers: [idle()] }),
      pod("stranger", { nodeSelector, containers: [idle()] }),
    );
    await tools.ready("guest");
    assert.equal(await tools.field("guest", ".spec.nodeName"), "extra");
    assert.equal(await tools.field("stranger", ".spec.nodeName"), "");
    await gantryNode("remove", "extra");
    assert.match((await gantry.kubectl("get", "node", "extra")).stderr, /NotFound/);
    assert.ok(!existsSync(join(gantry.root, "data/nodes/extra")));
    assert.match((await gantry.kubectl("get", "pod", "guest")).stderr, /NotFound/);
    await kubectl("delete", "pod", "stranger", "--now");
  });
});
