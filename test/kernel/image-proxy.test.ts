/** Registries behind a proxy: the daemon's HTTP_PROXY, HTTPS_PROXY and NO_PROXY count, as dockerd's do. */
import assert from "node:assert/strict";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { savedImages, streamOf, tarOf } from "../support/image-lab.ts";
import { withRegistry, type RegistryLab } from "../support/registry-lab.ts";

const skip = process.getuid?.() === 0 ? false : "needs root";
/** Names that lead nowhere but through the proxy (RFC 6761). */
const PLAIN = "registry.invalid:5000";
const SECURE = "secure.invalid";

interface Proxy {
  readonly url: string;
  /** `GET http://host/path`, `CONNECT host:port`. */
  readonly asked: string[];
  close(): void;
}

/** Forwards plain requests to the lab's registry, whatever host they name, and refuses tunnels. */
async function startProxy(lab: RegistryLab): Promise<Proxy> {
  const asked: string[] = [];
  const server = http.createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers["proxy-authorization"] ?? ""}`.trim());
    const { pathname, search } = new URL(request.url ?? "", "http://none.invalid");
    const { method, headers } = request;
    const onward = http.request(`${lab.url}${pathname}${search}`, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    request.pipe(onward);
  });
  server.on("connect", (request, socket) => {
    asked.push(`CONNECT ${request.url}`);
    socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://me:secret@127.0.0.1:${port}`,
    asked,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function withEnvironment(variables: Record<string, string>, use: () => Promise<void>): Promise<void> {
  const before = { ...process.env };
  Object.assign(process.env, variables);
  try {
    await use();
  } finally {
    process.env = before;
  }
}

test("pull goes through HTTP_PROXY, with its password; a tunnel by HTTPS_PROXY; NO_PROXY past both", { skip }, () =>
  withRegistry(async (lab) => {
    const name = `${lab.host}/app:1`;
    await lab.images.load(streamOf(savedImages([{ tags: [name], layers: [tarOf([{ path: "file", data: "one" }])] }])));
    await lab.images.push(name, {});
    const proxy = await startProxy(lab);
    try {
      const images = await lab.open({ registries: { insecure: [PLAIN], retryDelayMs: 10 } });
      await withEnvironment({ HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url, NO_PROXY: "other.invalid" }, async () => {
        const { id } = await images.pull(`${PLAIN}/app:1`, {});
        assert.equal(id, lab.images.get(name).id);
        await assert.rejects(images.pull(`${SECURE}/app:1`, {}));
        await assert.rejects(images.pull("other.invalid/app:1", {}));
        // This machine's own registry needs none.
        await images.pull(name, {});
      });
      const password = `Basic ${Buffer.from("me:secret").toString("base64")}`;
      assert(proxy.asked.includes(`GET http://${PLAIN}/v2/app/manifests/1 ${password}`), proxy.asked.join("\n"));
      assert(proxy.asked.includes(`CONNECT ${SECURE}:443`), proxy.asked.join("\n"));
      assert(!proxy.asked.some((line) => line.includes("other.invalid")), proxy.asked.join("\n"));
      assert(!proxy.asked.some((line) => line.includes(lab.host)), proxy.asked.join("\n"));
    } finally {
      proxy.close();
    }
  }),
);

test("a mirror that fails gives way to the registry itself", { skip }, () =>
  withRegistry(async (lab) => {
    const name = `${lab.host}/app:1`;
    await lab.images.load(streamOf(savedImages([{ tags: [name], layers: [tarOf([{ path: "file", data: "one" }])] }])));
    await lab.images.push(name, {});
    const proxy = await startProxy(lab);
    const broken = http.createServer((_request, response) => response.writeHead(500).end());
    await new Promise<void>((resolve) => broken.listen(0, "127.0.0.1", resolve));
    const mirror = `http://127.0.0.1:${(broken.address() as AddressInfo).port}`;
    try {
      const images = await lab.open({ registries: { mirrors: [mirror], retryDelayMs: 10 } });
      await withEnvironment({ HTTPS_PROXY: proxy.url }, async () => {
        await assert.rejects(images.pull("app:1", {}));
      });
      assert(proxy.asked.includes("CONNECT registry-1.docker.io:443"), proxy.asked.join("\n"));
    } finally {
      proxy.close();
      broken.close();
    }
  }),
);
