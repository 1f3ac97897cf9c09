// What one client may take of the API server: its share, its time, its bytes.
import assert from "node:assert/strict";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:tls";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { request as httpsRequest } from "node:https";
import { startApiServer, type TestServer } from "#test/api-server.ts";

const JSON_TYPE = { "content-type": "application/json" };
const MAPS = "/api/v1/namespaces/default/configmaps";
const map = (name: string, data: string): string =>
  JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { key: data } });
const users = new Map([
  ["greedy-token", { name: "greedy", groups: ["system:masters", "system:authenticated"] }],
  ["modest-token", { name: "modest", groups: ["system:masters", "system:authenticated"] }],
]);

describe("shares and limits of the API server", () => {
  it("answers a client soon while another floods it", async (t) => {
    const server = await startApiServer(t, { users });
    const flood = await floodOf(server, "greedy-token");
    await sleep(100);
    const times: number[] = [];
    for (let index = 0; index < 5; index++) {
      const started = performance.now();
      const answer = await server.request("GET", "/api/v1/namespaces/default", { token: "modest-token" });
      assert.equal(answer.status, 200);
      times.push(performance.now() - started);
    }
    assert.ok(flood.served() > 0, "there was no flood");
    flood.close();
    const median = times.toSorted((a, b) => a - b)[2] ?? Infinity;
    assert.ok(median < 1000, `the other client waited ${times.map((ms) => Math.round(ms)).join(", ")} ms`);
  });

  it("takes requests of 3 MiB and no more", async (t) => {
    const { request } = await startApiServer(t);
    const large = await request("POST", MAPS, { headers: JSON_TYPE, body: map("a", "x".repeat(1_000_000)) });
    assert.equal(large.status, 201);
    const tooLarge = await request("POST", MAPS, { headers: JSON_TYPE, body: map("b", "x".repeat(3 * 2 ** 20)) });
    assert.equal(tooLarge.status, 413);
    assert.equal(tooLarge.json().reason, "RequestEntityTooLarge");
  });

  it("reads the timeout of a request, and refuses one that is none", async (t) => {
    const { request } = await startApiServer(t);
    for (const good of ["0s", "30s", "1h"]) assert.equal((await request("GET", `${MAPS}?timeout=${good}`)).status, 200);
    const bad = await request("GET", `${MAPS}?timeout=invalid`);
    assert.equal(bad.status, 400);
    assert.match(bad.json().message ?? "", /invalid timeout specified in the request URL/);
  });

  it("ends a request that takes too long", async (t) => {
    const server = await startApiServer(t);
    const { status, json } = await unfinished(server, `${MAPS}?timeout=200ms`);
    assert.equal(status, 504);
    assert.equal(json().reason, "Timeout");
  });

  it("compresses large answers for who asks", async (t) => {
    const { request, url, server } = await startApiServer(t);
    for (let index = 0; index < 3; index++)
      await request("POST", MAPS, { headers: JSON_TYPE, body: map(`m${index}`, "abc ".repeat(20_000)) });
    const plain = await request("GET", MAPS);
    const packed = await packedBody(`${url}${MAPS}`, server.certificates.caCert, server);
    assert.equal(plain.headers["content-encoding"], undefined);
    assert.ok(packed.byteLength < plain.text.length / 10);
    assert.equal(gunzipSync(packed).toString(), plain.text);
  });

  it("closes a watcher that does not read", async (t) => {
    const { request, url, server } = await startApiServer(t, { users });
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), ca: server.certificates.caCert });
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.on("error", () => undefined);
    socket.write(`GET ${MAPS}?watch=1 HTTP/1.1\r\nhost: api\r\nauthorization: Bearer modest-token\r\n\r\n`);
    await new Promise((resolve) => socket.once("readable", resolve));
    // It never reads again, while more than its allowance comes.
    for (let index = 0; index < 40; index++) {
      const answer = await request("POST", MAPS, { headers: JSON_TYPE, body: map(`m${index}`, "x".repeat(900_000)) });
      assert.equal(answer.status, 201);
    }
    socket.resume();
    await closed;
  });
});

/** Always as many requests at once as one connection may have: far more than the server works on at once. */
async function floodOf({ url, server }: TestServer, token: string) {
  const session = connectHttp2(url, { ca: server.certificates.caCert });
  session.on("error", () => undefined);
  await new Promise((resolve) => session.once("remoteSettings", resolve));
  const body = map("x", "y".repeat(20_000));
  let served = 0;
  const send = (): void => {
    if (session.destroyed) return;
    const stream = session.request({
      ":method": "POST",
      ":path": `${MAPS}?dryRun=All`,
      authorization: `Bearer ${token}`,
      ...JSON_TYPE,
    });
    stream.on("error", () => undefined);
    stream.on("close", () => {
      served++;
      send();
    });
    stream.resume();
    stream.end(body);
  };
  for (let count = 0; count < 250; count++) send();
  return { served: () => served, close: () => session.destroy() };
}

/** A request whose body never ends. */
function unfinished({ url, server }: TestServer, path: string) {
  const { hostname, port } = new URL(url);
  const identity = server.certificates.client("admin", ["system:masters"]);
  return new Promise<{ status: number; json(): { reason?: string } }>((resolve, reject) => {
    const request = httpsRequest({
      host: hostname,
      port,
      path,
      method: "POST",
      ca: server.certificates.caCert,
      ...identity,
      headers: { ...JSON_TYPE, "content-length": "1000" },
      agent: false,
    });
    request.on("error", reject);
    request.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        request.destroy();
        const text = Buffer.concat(chunks).toString();
        resolve({ status: response.statusCode ?? 0, json: () => JSON.parse(text) as { reason?: string } });
      });
    });
    request.write("{");
  });
}

function packedBody(url: string, ca: string, server: TestServer["server"]): Promise<Buffer> {
  const identity = server.certificates.client("admin", ["system:masters"]);
  return new Promise((resolve, reject) => {
    httpsRequest(url, { ca, ...identity, headers: { "accept-encoding": "gzip" }, agent: false }, (response) => {
      assert.equal(response.headers["content-encoding"], "gzip");
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => resolve(Buffer.concat(chunks)));
    })
      .on("error", reject)
      .end();
  });
}
