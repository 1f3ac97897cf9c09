import assert from "node:assert/strict";
import { test } from "node:test";
import type { IncomingMessage, ServerResponse } from "node:http";
import { savedImages, streamOf, tarOf } from "../support/image-lab.ts";
import { withRegistry, type RegistryLab } from "../support/registry-lab.ts";

const skip = process.getuid?.() === 0 ? false : "needs root";
const archive = (name: string): Buffer => savedImages([{ tags: [name], layers: [tarOf([{ path: "f", data: "x" }])] }]);

test("basic authentication: asked for, given, refused", { skip }, () =>
  withRegistry(
    async (lab) => {
      const name = `${lab.host}/app:1`;
      await lab.images.load(streamOf(archive(name)));
      await assert.rejects(lab.images.push(name, {}), {
        code: "unauthorized",
        message: "no basic auth credentials",
      });
      await assert.rejects(lab.images.push(name, { auth: { username: "user", password: "wrong" } }), {
        code: "forbidden",
        message: /^denied: requested access/,
      });
      await lab.images.push(name, { auth: { username: "user", password: "secret" } });
      const other = await lab.open();
      await assert.rejects(other.pull(name, { auth: { username: "user", password: "wrong" } }), {
        code: "not-found",
        message:
          /^pull access denied for localhost:\d+\/app, repository does not exist or may require 'docker login': denied: requested access to the resource is denied$/,
      });
      await other.pull(name, { auth: { username: "user", password: "secret" } });
    },
    { authorize: (user) => user?.username === "user" && user.password === "secret" },
  ),
);

/** A token server in front of the registry: tokens are the scope that they were asked for. */
function tokenServer(lab: RegistryLab, log: string[]): void {
  lab.intercept(async (request: IncomingMessage, response: ServerResponse, next) => {
    if (request.url?.startsWith("/token")) return giveToken(lab, request, response, log);
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];
    const path = /^\/v2\/(.+?)\/(?:blobs|manifests|tags)\//.exec(request.url ?? "")?.[1];
    const granted = token !== undefined && Buffer.from(token, "base64").toString().includes(`repository:${path}:`);
    if (path !== undefined ? granted : token !== undefined) return next();
    request.resume();
    const challenge = `Bearer realm="${lab.url.replace("127.0.0.1", "localhost")}/token",service="lab",scope="repository:${path}:pull"`;
    response.writeHead(401, { "www-authenticate": challenge, "content-type": "application/json" });
    response.end(JSON.stringify({ errors: [{ code: "UNAUTHORIZED", message: "authentication required" }] }));
  });
}

async function giveToken(
  lab: RegistryLab,
  request: IncomingMessage,
  response: ServerResponse,
  log: string[],
): Promise<void> {
  const url = new URL(request.url ?? "", lab.url);
  let body = "";
  for await (const chunk of request) body += String(chunk);
  const form = new URLSearchParams(body);
  const scope = request.method === "POST" ? (form.get("scope") ?? "") : url.searchParams.getAll("scope").join(" ");
  log.push(`${request.method} ${scope} ${request.headers.authorization ?? form.get("refresh_token") ?? "-"}`);
  if (form.get("refresh_token") === "stale") {
    response.writeHead(401).end(JSON.stringify({ details: "incorrect username or password" }));
    return;
  }
  const token = Buffer.from(scope).toString("base64");
  response.end(JSON.stringify(request.method === "POST" ? { access_token: token } : { token, expires_in: 60 }));
}

test("tokens: for the right scope, with name and password, with an identity token, or without", { skip }, () =>
  withRegistry(async (lab) => {
    const log: string[] = [];
    tokenServer(lab, log);
    const name = `${lab.host}/team/app:1`;
    await lab.images.load(streamOf(archive(name)));
    await lab.images.push(name, { auth: { username: "user", password: "secret" } });
    assert.deepEqual(log, [`GET repository:team/app:pull,push Basic ${Buffer.from("user:secret").toString("base64")}`]);
    log.length = 0;
    await (await lab.open()).pull(name, {});
    assert.deepEqual(log, ["GET repository:team/app:pull -"]);
    log.length = 0;
    await (await lab.open()).pull(name, { auth: { identityToken: "refresh" } });
    assert.deepEqual(log, ["POST repository:team/app:pull refresh"]);
    log.length = 0;
    await assert.rejects((await lab.open()).pull(name, { auth: { identityToken: "stale" } }), {
      code: "unauthorized",
      message: "unauthorized: incorrect username or password",
    });
    await (
      await lab.open()
    ).pull(name, { auth: { registryToken: Buffer.from("repository:team/app:pull").toString("base64") } });
    await lab.images.tag(name, `${lab.host}/team/copy:1`);
    log.length = 0;
    await lab.images.push(`${lab.host}/team/copy:1`, {});
    assert(
      log.some((line) => line === "GET repository:team/copy:pull,push repository:team/app:pull -"),
      log.join("\n"),
    );
  }),
);

test("a registry that is busy is asked again when it says, within reason", { skip }, () =>
  withRegistry(async (lab) => {
    const name = `${lab.host}/app:1`;
    await lab.images.load(streamOf(archive(name)));
    await lab.images.push(name, {});
    let left = 2;
    let wait = "0";
    lab.intercept((request, response, next) => {
      if (!request.url?.includes("/manifests/") || left-- <= 0) return next();
      response.writeHead(429, { "retry-after": wait, "content-type": "application/json" });
      response.end(JSON.stringify({ errors: [{ code: "TOOMANYREQUESTS", message: "slow down" }] }));
    });
    await (await lab.open()).pull(name, {});
    assert(left < 0);
    left = 1;
    wait = "86400";
    await assert.rejects((await lab.open()).pull(name, {}), {
      code: "too-many-requests",
      message: "toomanyrequests: slow down",
    });
  }),
);

test("a mirror of docker.io is asked first", { skip }, () =>
  withRegistry(async (lab) => {
    const name = `${lab.host}/library/app:1`;
    await lab.images.load(streamOf(archive(name)));
    await lab.images.push(name, {});
    const mirrored = await lab.open({ registries: { mirrors: [lab.url], retryDelayMs: 10 } });
    const image = await mirrored.pull("app:1", {});
    assert.deepEqual(image.tags, ["app:1"]);
    assert.match(image.digests[0] ?? "", /^app@sha256:/);
  }),
);

test("a registry by a name that is not this machine's must speak HTTPS, unless it is called insecure", { skip }, () =>
  withRegistry(async (lab) => {
    // A name that leads here, but is not "localhost": nothing listens at ::1.
    const host = `ip6-localhost:${lab.host.split(":")[1]}`;
    await assert.rejects(lab.images.pull(`${host}/app:1`, {}), { message: /^Get "https:/ });
    const loose = await lab.open({ registries: { insecure: [host], retryDelayMs: 10 } });
    await assert.rejects(loose.pull(`${host}/app:1`, {}), { message: /^Get "http:/ });
  }),
);
