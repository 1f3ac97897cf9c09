// The proxy subresources: what reaches the backend, what comes back, and what is not dialled.
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { networkInterfaces } from "node:os";
import { connect } from "node:tls";
import { after, before, describe, it } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import type { KubeObject } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { EndpointSlice, Pod, Service } from "#formats/kube-types.generated.ts";
import { SYSTEM_USER } from "#kube-api/context.ts";
import { localClient } from "#kube-api/local-client.ts";
import { startApiServer, type TestServer } from "#test/api-server.ts";

const address = Object.values(networkInterfaces())
  .flat()
  .find((one) => one && !one.internal && one.family === "IPv4")?.address;
const skip = address === undefined ? "this machine has no address but loopback" : false;
const users = new Map([["reader-token", { name: "reader", groups: ["system:authenticated"] }]]);

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

let backend: Server;
let port = 0;
let seen: Seen[] = [];

before(async () => {
  backend = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      seen.push({ method: request.method ?? "", url: request.url ?? "", headers: request.headers, body });
      if (request.url === "/away") response.writeHead(302, { location: "/there" });
      else if (request.url === "/elsewhere") response.writeHead(302, { location: "http://169.254.169.254/secret" });
      else response.writeHead(200, { "content-type": "text/plain", "access-control-allow-origin": "*" });
      response.end(`hello ${body}`);
    });
  });
  const sockets = new WebSocketServer({ noServer: true });
  backend.on("upgrade", (request, socket, head) => {
    if (request.url !== "/echo") return socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno");
    sockets.handleUpgrade(request, socket, head, (client) => client.on("message", (data) => client.send(data)));
  });
  await new Promise<void>((resolve) => backend.listen(0, address ?? "127.0.0.1", resolve));
  port = (backend.address() as { port: number }).port;
});
after(() => backend.close());

/** A server with pod `p` and service `s` that stand for the backend. */
async function proxied(t: Parameters<typeof startApiServer>[0]): Promise<TestServer> {
  seen = [];
  const server = await startApiServer(t, { users });
  const client = localClient(server.server, SYSTEM_USER);
  const metadata = (name: string) => ({ name, namespace: "default" });
  const ports = [{ containerPort: port, name: "web" }];
  const pod: Pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: metadata("p"),
    spec: { nodeName: "n", containers: [{ name: "c", image: "i", ports }] },
  };
  const made = await client.create(RESOURCES.pods, pod);
  const ip = address ?? "";
  await client.update(RESOURCES.pods, { ...made, status: { podIP: ip, podIPs: [{ ip }] } }, "status");
  const service: Service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: metadata("s"),
    spec: { ports: [{ name: "http", port: 80, targetPort: port }] },
  } as Service;
  await client.create(RESOURCES.services, service);
  await client.create(RESOURCES.endpointslices, slice("s-1", "p", ip));
  return server;
}

function slice(name: string, pod: string, ip: string): EndpointSlice & KubeObject {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name, namespace: "default", labels: { "kubernetes.io/service-name": "s" } },
    addressType: "IPv4",
    ports: [{ name: "http", port, protocol: "TCP" }],
    endpoints: [{ addresses: [ip], targetRef: { kind: "Pod", name: pod, namespace: "default" } }],
  };
}

const POD = "/api/v1/namespaces/default/pods/p";
const SERVICE = "/api/v1/namespaces/default/services";

describe("proxy subresources", { skip }, () => {
  it("hands requests on to a pod and to a service, without the caller's credentials", async (t) => {
    const { request } = await proxied(t);
    const posted = await request("POST", `${POD}/proxy/a/b?c=d`, { body: "body", headers: { "x-own": "1" } });
    assert.deepEqual([posted.status, posted.text], [200, "hello body"]);
    assert.equal(posted.headers["access-control-allow-origin"], undefined);
    const [first] = seen;
    assert.deepEqual([first?.method, first?.url, first?.body], ["POST", "/a/b?c=d", "body"]);
    assert.deepEqual([first?.headers["x-own"], first?.headers.authorization], ["1", undefined]);
    for (const name of ["s", "s:80", "s:http", "http:s:http"])
      assert.equal((await request("GET", `${SERVICE}/${name}/proxy/x/`)).text, "hello ", name);
    assert.deepEqual(new Set(seen.slice(1).map(({ url }) => url)), new Set(["/x/"]));
    const bare = await request("GET", `${POD}/proxy?q=1`);
    assert.deepEqual([bare.status, bare.headers["location"]], [301, `${POD}/proxy/?q=1`]);
  });

  it("follows no redirect (CVE-2020-8559, CVE-2022-3172)", async (t) => {
    const { request } = await proxied(t);
    const away = await request("GET", `${POD}/proxy/away`);
    assert.deepEqual([away.status, away.headers["location"]], [302, `${POD}/proxy/there`]);
    const elsewhere = await request("GET", `${POD}/proxy/elsewhere`);
    assert.deepEqual([elsewhere.status, elsewhere.headers["location"]], [302, "http://169.254.169.254/secret"]);
    assert.deepEqual(
      seen.map(({ url }) => url),
      ["/away", "/elsewhere"],
    );
  });

  it("dials neither this machine's own addresses, nor names, nor what no pod has (CVE-2022-3294, CVE-2020-8562)", async (t) => {
    const { request, server } = await proxied(t);
    const client = localClient(server, SYSTEM_USER);
    const pod = await client.get(RESOURCES.pods, "default", "p");
    for (const ip of ["127.0.0.1", "169.254.169.254", "::1"]) {
      const now = await client.get(RESOURCES.pods, "default", "p");
      await client.update(RESOURCES.pods, { ...now, status: { podIP: ip, podIPs: [{ ip }] } }, "status");
      assert.equal((await request("GET", `${POD}/proxy/`)).status, 400, ip);
    }
    assert.equal((await request("GET", `${SERVICE}/s/proxy/`)).status, 503, "the endpoint is no pod's address now");
    const node = { apiVersion: "v1", kind: "Node", metadata: { name: "n" }, status: {} };
    for (const host of ["127.0.0.1", "localhost", "169.254.169.254"]) {
      const addresses = [{ type: "InternalIP", address: host }];
      await request("POST", "/api/v1/nodes", {
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ ...node, status: { addresses } }),
      });
      assert.equal((await request("GET", `/api/v1/nodes/n:${port}/proxy/`)).status, 400, host);
      await request("DELETE", "/api/v1/nodes/n");
    }
    assert.ok(pod.metadata.name);
    assert.deepEqual(seen, []);
  });

  it("asks for the right to proxy, and says what cannot be reached", async (t) => {
    const { request } = await proxied(t);
    assert.equal((await request("GET", `${POD}/proxy/`, { token: "reader-token" })).status, 403);
    assert.equal((await request("GET", `${SERVICE}/s:81/proxy/`)).status, 503);
    assert.equal((await request("GET", `${SERVICE}/x:s:80/proxy/`)).status, 400);
    const closed = await request("GET", `/api/v1/namespaces/default/pods/p:1/proxy/`);
    assert.equal(closed.status, 503);
    assert.match(closed.json().message ?? "", /^error trying to reach service: /);
    assert.deepEqual(seen, []);
  });

  it("hands WebSockets on, and closes the connection when the backend refuses (CVE-2018-1002105)", async (t) => {
    const { url, server } = await proxied(t);
    const { caCert } = server.certificates;
    const identity = server.certificates.client("admin", ["system:masters"]);
    const socket = new WebSocket(`${url.replace("https", "wss")}${SERVICE}/s/proxy/echo`, { ca: caCert, ...identity });
    const echoed = await new Promise<string>((resolve, reject) => {
      socket.on("open", () => socket.send("over and back"));
      socket.on("message", (data: Buffer) => resolve(data.toString()));
      socket.on("error", reject);
    });
    socket.close();
    assert.equal(echoed, "over and back");
    const { hostname, port: apiPort } = new URL(url);
    const raw = connect({ host: hostname, port: Number(apiPort), ca: caCert, ...identity });
    const upgrade = `GET ${POD}/proxy/refused HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n`;
    // A second request on the same connection must never reach the backend.
    raw.write(`${upgrade}GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n`);
    let text = "";
    raw.on("data", (chunk: Buffer) => (text += chunk.toString()));
    await new Promise((resolve) => raw.on("close", resolve));
    assert.match(text, /^HTTP\/1\.1 403 /);
    assert.deepEqual(seen, []);
  });
});
