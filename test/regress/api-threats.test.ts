// Attacks on API servers that a new one repeats unless it is tested for them. Each asserts the harm, not a text.
import assert from "node:assert/strict";
import { connect as connectHttp2, constants } from "node:http2";
import { connect as connectTls } from "node:tls";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startApiServer } from "#test/api-server.ts";

const JSON_TYPE = { "content-type": "application/json" };
const MAPS = "/api/v1/namespaces/default/configmaps";
const map = (name: string): string => JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name } });

describe("attacks on the API server", () => {
  it("CVE-2015-5305: names cannot leave their place in the store", async (t) => {
    const { request, server } = await startApiServer(t);
    await request("POST", "/api/v1/namespaces/kube-system/secrets", {
      headers: JSON_TYPE,
      body: JSON.stringify({ apiVersion: "v1", kind: "Secret", metadata: { name: "key" } }),
    });
    const before = (await server.api.store.range("/registry/")).items.map(
      ({ key, modRevision }) => `${key}@${modRevision}`,
    );
    const names = [
      "..%2fkube-system%2fkey",
      "..",
      ".",
      "%2e%2e",
      "a%2fb",
      "a%00b",
      "%2e%2e%2f%2e%2e%2fsecrets%2fkube-system%2fkey",
      "a%5cb",
      "a%0ab",
    ];
    for (const name of names) {
      for (const [method, body] of [["GET"], ["DELETE"], ["PUT", map("x")], ["PATCH", "{}"]] as const) {
        for (const path of [
          `${MAPS}/${name}`,
          `/api/v1/namespaces/${name}/configmaps/a`,
          `/api/v1/namespaces/default/secrets/${name}`,
        ]) {
          const type = method === "PATCH" ? { "content-type": "application/merge-patch+json" } : JSON_TYPE;
          const answer = await request(method, path, { headers: type, ...(body === undefined ? {} : { body }) });
          assert.ok(answer.status >= 400 && answer.status < 500, `${method} ${path}: ${answer.status}`);
        }
      }
    }
    for (const name of ["../kube-system/key", "a/b", "..", "a\u0000b"]) {
      const answer = await request("POST", MAPS, { headers: JSON_TYPE, body: map(name) });
      assert.equal(answer.status, 422, JSON.stringify(name));
    }
    const after = (await server.api.store.range("/registry/")).items.map(
      ({ key, modRevision }) => `${key}@${modRevision}`,
    );
    assert.deepEqual(after, before);
  });

  it("CVE-2016-1905: patch and apply pass the same admission as create", async (t) => {
    const { request } = await startApiServer(t);
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "p" },
      spec: { priorityClassName: "nope", containers: [{ name: "c", image: "i" }] },
    };
    const pods = "/api/v1/namespaces/default/pods";
    const created = await request("POST", pods, { headers: JSON_TYPE, body: JSON.stringify(pod) });
    const applied = await request("PATCH", `${pods}/p?fieldManager=me`, {
      headers: { "content-type": "application/apply-patch+yaml" },
      body: JSON.stringify(pod),
    });
    assert.deepEqual([created.status, applied.status], [403, 403]);
    assert.equal(applied.json().message, created.json().message);
    assert.equal((await request("GET", `${pods}/p`)).status, 404);
  });

  it("CVE-2019-11247: a cluster-scoped resource is not reached, nor authorized, through a namespace", async (t) => {
    const { kubectl, request } = await startApiServer(t, {
      users: new Map([["jane-token", { name: "jane", groups: ["system:authenticated"] }]]),
    });
    await kubectl(["create", "role", "all", "--verb=*", "--resource=*.*", "-n", "default"]);
    await kubectl(["create", "rolebinding", "all", "--role=all", "--user=jane", "-n", "default"]);
    const nodes = "/api/v1/namespaces/default/nodes";
    const roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/clusterroles";
    for (const path of [nodes, roles, `${roles}/cluster-admin`]) {
      assert.equal((await request("GET", path, { token: "jane-token" })).status, 403, path);
      assert.equal((await request("GET", path)).status, 404, path);
    }
  });

  it("CVE-2019-11253: a bomb of YAML aliases costs little", async (t) => {
    const { request } = await startApiServer(t);
    const levels = Array.from(
      { length: 12 },
      (_, level) =>
        `l${level}: &l${level} [${Array.from({ length: 10 }, () => (level === 0 ? "x" : `*l${level - 1}`)).join(",")}]`,
    );
    const body = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bomb}\n${levels.join("\n")}\n`;
    const started = performance.now();
    const answer = await request("POST", MAPS, { headers: { "content-type": "application/yaml" }, body });
    assert.equal(answer.status, 400);
    assert.ok(performance.now() - started < 2000);
    const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
    for (const type of ["application/json", "application/yaml"]) {
      assert.equal(
        (await request("POST", MAPS, { headers: { "content-type": type }, body: `{"a":${deep}}` })).status,
        400,
        type,
      );
    }
  });

  it("CVE-2019-1002100: a JSON patch of 100,000 operations is refused", async (t) => {
    const { request } = await startApiServer(t);
    await request("POST", MAPS, { headers: JSON_TYPE, body: map("a") });
    const operation = '{"op":"add","path":"/data","value":{}}';
    const body = `[${Array.from({ length: 70_000 }, () => operation).join(",")}]`;
    const answer = await request("PATCH", `${MAPS}/a`, {
      headers: { "content-type": "application/json-patch+json" },
      body,
    });
    assert.equal(answer.status, 413);
    const doubling = JSON.stringify([
      { op: "add", path: "/data", value: { a: "x".repeat(1000) } },
      ...Array.from({ length: 40 }, (_, index) => ({ op: "copy", from: "/data", path: `/data/k${index}` })),
    ]);
    const copied = await request("PATCH", `${MAPS}/a`, {
      headers: { "content-type": "application/json-patch+json" },
      body: doubling,
    });
    assert.ok(copied.status >= 400, `${copied.status}`);
  });

  it("CVE-2020-8552: what clients send never becomes a metric's label", async (t) => {
    const { request } = await startApiServer(t);
    const before = (await request("GET", "/metrics")).text.length;
    for (let index = 0; index < 200; index++) {
      await request("GET", `/apis/group${index}.example.com/v${index}/things${index}?q=${index}`, {
        headers: { "user-agent": `agent${index}` },
      });
      await request("GET", `/random/${index}`);
    }
    const after = (await request("GET", "/metrics")).text;
    assert.ok(!after.includes("things1") && !after.includes("agent1"));
    assert.ok(after.length < before + 8192, `${before} then ${after.length} bytes`);
  });

  it("CVE-2018-1002105: after a refused upgrade nothing more travels on the connection", async (t) => {
    const { url, server } = await startApiServer(t);
    const { port } = new URL(url);
    const socket = connectTls({
      port: Number(port),
      host: "127.0.0.1",
      ca: server.certificates.caCert,
      ALPNProtocols: ["http/1.1"],
    });
    const upgrade =
      "GET /api/v1/namespaces/default/pods/p/exec?command=id&stdout=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n";
    socket.write(`${upgrade}GET /version HTTP/1.1\r\nHost: x\r\n\r\n`);
    let text = "";
    await new Promise<void>((resolve, reject) => {
      socket.on("data", (data: Buffer) => (text += data.toString()));
      socket.on("close", () => resolve());
      socket.on("error", reject);
    });
    assert.match(text, /^HTTP\/1\.1 403 /);
    assert.ok(!text.includes("gitVersion"), "the second request was not answered");
  });

  it("CVE-2023-44487: a flood of stream resets ends its connection, and others are served on", async (t) => {
    const { url, server, request } = await startApiServer(t);
    const session = connectHttp2(url, { ca: server.certificates.caCert });
    session.on("error", () => undefined);
    const ended = new Promise<void>((resolve) => session.once("close", () => resolve()));
    for (let round = 0; round < 200 && !session.destroyed; round++) {
      for (let index = 0; index < 50 && !session.destroyed; index++) {
        const stream = session.request({ ":path": "/version" });
        stream.on("error", () => undefined);
        stream.close(constants.NGHTTP2_CANCEL);
      }
      await sleep(1);
    }
    await Promise.race([ended, sleep(5000)]);
    assert.ok(session.destroyed, "the flooding connection was closed");
    assert.equal((await request("GET", "/version")).status, 200);
  });

  it("labels and annotations named like prototypes are plain data", async (t) => {
    const { request } = await startApiServer(t);
    const body =
      '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"p","annotations":{"__proto__":"x","constructor":"y"}},"data":{"__proto__":"z"}}';
    const created = await request("POST", MAPS, { headers: JSON_TYPE, body });
    assert.ok(created.status === 201 || created.status === 422);
    assert.equal(({} as Record<string, unknown>)["x"], undefined);
    const merge = { "content-type": "application/merge-patch+json" };
    await request("POST", MAPS, { headers: JSON_TYPE, body: map("q") });
    await request("PATCH", `${MAPS}/q`, {
      headers: merge,
      body: '{"__proto__":{"polluted":true},"data":{"__proto__":{"polluted":true}}}',
    });
    assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
    assert.equal((await request("GET", `${MAPS}/q`)).status, 200);
  });
});
