// The kubelet's own HTTPS API: what it tells, and whom.
import assert from "node:assert/strict";
import { request } from "node:https";
import { WebSocket } from "ws";
import { after, before, describe, test } from "node:test";
import { credentialsOf, readKubeconfigs } from "#kube-client/kubeconfig-file.ts";
import type { Credentials } from "#kube-client/credentials.ts";
import { startGantry, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";
import { busybox, pod, podTools } from "#test/pods.ts";

let gantry: TestGantry;
let admin: Credentials;
let where: { host: string; port: number };
const { kubectl, apply, ready } = podTools(() => gantry);

before(async () => {
  gantry = await startGantry();
  assert.equal((await gantry.docker("load", "-i", await testImage("busybox"))).code, 0);
  admin = await credentialsOf(await readKubeconfigs([`${gantry.root}/kubeconfig`]));
  const [host = "", port] = (
    await kubectl(
      "get",
      "nodes",
      "-o",
      'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address} {.items[0].status.daemonEndpoints.kubeletEndpoint.Port}',
    )
  ).split(" ");
  where = { host, port: Number(port) };
  await apply(pod("seen", { containers: [busybox("main", "echo said; i=0; while true; do i=$((i+1)); done")] }));
  await ready("seen");
});
after(() => gantry.stop());

interface Got {
  readonly status: number;
  readonly body: string;
}

function get(path: string, options: { token?: string; as?: "admin"; method?: string } = {}): Promise<Got> {
  const identity = options.as === "admin" ? { cert: admin.cert, key: admin.key } : {};
  return new Promise((resolve, reject) => {
    const call = request(
      {
        ...where,
        ...identity,
        path,
        method: options.method ?? "GET",
        ca: admin.ca,
        agent: false,
        ...(options.token === undefined ? {} : { headers: { authorization: `Bearer ${options.token}` } }),
      },
      (response) => {
        let body = "";
        response.on("data", (chunk: Buffer) => (body += chunk.toString()));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
      },
    );
    call.on("error", reject);
    call.end();
  });
}

describe("what it tells", () => {
  test("pods, logs, health and configuration", async () => {
    const { items } = JSON.parse((await get("/pods", { as: "admin" })).body) as {
      items: { metadata: { name: string } }[];
    };
    assert.ok(items.some(({ metadata }) => metadata.name === "seen"));
    assert.equal((await get("/healthz", { as: "admin" })).body, "ok");
    assert.equal((await get("/containerLogs/default/seen/main?tailLines=1", { as: "admin" })).body, "said\n");
    assert.equal((await get("/containerLogs/default/nosuch/main", { as: "admin" })).status, 404);
    const { kubeletconfig } = JSON.parse((await get("/configz", { as: "admin" })).body) as {
      kubeletconfig: { port: number };
    };
    assert.equal(kubeletconfig.port, where.port);
    assert.equal((await get("/nosuch", { as: "admin" })).status, 404);
  });

  test("usage: a busy container takes about what it gets, between two readings", async () => {
    await get("/stats/summary", { as: "admin" });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const { pods, node } = JSON.parse((await get("/stats/summary", { as: "admin" })).body) as {
      node: { memory: { workingSetBytes: number } };
      pods: { podRef: { name: string }; cpu: { usageNanoCores: number }; memory: { workingSetBytes: number } }[];
    };
    const seen = pods.find(({ podRef }) => podRef.name === "seen");
    assert.ok((seen?.cpu.usageNanoCores ?? 0) > 20_000_000, `busy: ${JSON.stringify(seen)}`);
    assert.ok((seen?.memory.workingSetBytes ?? 0) > 0);
    assert.ok(node.memory.workingSetBytes > 2 ** 20);
    const metrics = (await get("/metrics/resource", { as: "admin" })).body;
    assert.match(
      metrics,
      /^container_cpu_usage_seconds_total\{container="main",namespace="default",pod="seen"\} [0-9.]+ \d+$/m,
    );
    assert.match(metrics, /^node_memory_working_set_bytes \d+ \d+$/m);
    assert.match(
      (await get("/metrics/cadvisor", { as: "admin" })).body,
      /^container_network_receive_bytes_total\{interface="eth0"/m,
    );
  });
});

/** Speaks the remote command protocol as kubectl does: what the process said, and how it ended. */
function execOver(path: string, headers: Record<string, string> = {}): Promise<{ out: string; end: string }> {
  const identity = headers["authorization"] === undefined ? { cert: admin.cert, key: admin.key } : {};
  const socket = new WebSocket(`wss://${where.host}:${where.port}${path}`, ["v5.channel.k8s.io"], {
    ...identity,
    ca: admin.ca,
    headers,
  });
  return new Promise((resolve) => {
    let [out, end] = ["", ""];
    socket.on("message", (data: Buffer) => {
      if (data[0] === 1) out += data.subarray(1).toString();
      if (data[0] === 3) end = data.subarray(1).toString();
    });
    socket.on("unexpected-response", (_, response) => {
      resolve({ out, end: String(response.statusCode) });
      socket.terminate();
    });
    socket.on("error", (error) => resolve({ out, end: String(error) }));
    socket.on("close", () => resolve({ out, end }));
  });
}

describe("what it does", () => {
  test("exec, attach and run in a container", async () => {
    const query = (words: string[]): string => words.map((word) => `command=${encodeURIComponent(word)}`).join("&");
    const done = await execOver(`/exec/default/seen/main?output=1&error=1&${query(["sh", "-c", "echo in; exit 3"])}`);
    assert.equal(done.out, "in\n");
    assert.match(done.end, /exit status 3/);
    assert.equal((await execOver(`/exec/default/nosuch/main?output=1&${query(["true"])}`)).end, "404");
    assert.equal((await get("/run/default/seen/main?cmd=echo+ran", { as: "admin", method: "POST" })).body, "ran\n");
    assert.equal((await get("/run/default/seen/main?cmd=echo+ran", { as: "admin" })).status, 405);
  });

  test("the right to get nodes/proxy is not one to execute: a WebSocket is opened by GET", async () => {
    await kubectl("create", "serviceaccount", "reader");
    await kubectl("create", "clusterrole", "reader", "--verb=get", "--resource=nodes/proxy");
    await kubectl("create", "clusterrolebinding", "reader", "--clusterrole=reader", "--serviceaccount=default:reader");
    const token = (await kubectl("create", "token", "reader")).trim();
    assert.equal((await get("/pods", { token })).status, 200);
    const refused = await execOver("/exec/default/seen/main?output=1&command=id", { authorization: `Bearer ${token}` });
    assert.deepEqual(refused, { out: "", end: "403" });
    assert.equal(
      (await execOver("/exec/default/seen/main?output=1&command=id", { authorization: "Bearer no" })).end,
      "401",
    );
    assert.equal((await get("/run/default/seen/main?cmd=id", { token, method: "POST" })).status, 403);
  });
});

describe("whom it tells", () => {
  test("nobody without a name; each path needs its own right", async () => {
    for (const path of ["/healthz", "/pods", "/metrics/resource", "/exec/default/seen/main"])
      assert.equal((await get(path)).status, 401, path);
    assert.equal((await get("/pods", { token: "made.up.token" })).status, 401);
    await kubectl("create", "serviceaccount", "scraper");
    await kubectl("create", "clusterrole", "scraper", "--verb=get", "--resource=nodes/metrics");
    await kubectl(
      "create",
      "clusterrolebinding",
      "scraper",
      "--clusterrole=scraper",
      "--serviceaccount=default:scraper",
    );
    const token = (await kubectl("create", "token", "scraper")).trim();
    assert.equal((await get("/metrics/resource", { token })).status, 200);
    const refused = await get("/pods", { token });
    assert.equal(refused.status, 403);
    assert.match(
      refused.body,
      /Forbidden \(user=system:serviceaccount:default:scraper, verb=get, resource=nodes, subresource\(s\)=\[pods proxy\]\)/,
    );
    assert.equal((await get("/metrics/resource", { token, method: "POST" })).status, 403, "another verb");
  });
});
