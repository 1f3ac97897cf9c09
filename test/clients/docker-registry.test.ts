// docker login, push, pull and distribution with the real CLI, against Gantry's own registry with a password.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { openImages } from "#images/open-images.ts";
import { createRegistry } from "#registry/create-registry.ts";
import { dockerOk } from "#test/docker-cli.ts";
import { startGantry, type Result, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";

let gantry: TestGantry;
let server: Server;
let host = "";
const cleanups: (() => Promise<unknown>)[] = [];
const docker = (...args: string[]): Promise<Result> => gantry.docker(...args);

const ok = (...args: string[]): Promise<string> => dockerOk(gantry, ...args);

before(async () => {
  gantry = await startGantry({ flags: ["--no-kubernetes"] });
  await ok("load", "-i", await testImage("busybox"));
  const folder = await mkdtemp(join(tmpdir(), "gantry-registry-"));
  const store = await openImages({ dataDir: folder });
  const registry = await createRegistry(store, {
    stateDir: join(folder, "registry"),
    authorize: (user) => user?.username === "me" && user.password === "secret",
  });
  server = createServer((request, response) => void registry.handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  host = `localhost:${(server.address() as AddressInfo).port}`;
  cleanups.push(
    () => registry.close(),
    () => store.close(),
    () => rm(folder, { recursive: true, force: true }),
  );
});
after(async () => {
  server.closeAllConnections();
  server.close();
  for (const cleanup of cleanups) await cleanup();
});

describe("a registry with a password", () => {
  test("login", async () => {
    const wrong = await gantry.run("docker", ["login", "-u", "me", "--password-stdin", host], { input: "wrong" });
    assert.notEqual(wrong.code, 0);
    assert.match(wrong.stderr, /failed with status: 40[13]|unauthorized/);
    const refused = await docker("push", `${host}/mine/box:1`);
    assert.notEqual(refused.code, 0);
    const right = await gantry.run("docker", ["login", "-u", "me", "--password-stdin", host], { input: "secret" });
    assert.match(right.stdout, /Login Succeeded/);
  });

  test("push, remove, pull, run, build from it", async () => {
    const name = `${host}/mine/box:1`;
    await ok("tag", "busybox", name);
    assert.match(await ok("push", name), /1: digest: sha256:[0-9a-f]{64} size: \d+/);
    await ok("rmi", name);
    assert.match(await ok("pull", name), /Status: .*Downloaded newer image|Status: Image is up to date/);
    assert.equal(await ok("run", "--rm", name, "echo", "pulled"), "pulled");
    await ok("rmi", name, "busybox");
    assert.equal(await ok("run", "--rm", name, "echo", "pulled by run"), "pulled by run");
    assert.match((await docker("pull", `${host}/mine/nothing:1`)).stderr, /not found|manifest unknown|denied/);
  });

  test("pull -a brings every tag; search and manifest", async () => {
    for (const tag of ["2", "3"]) {
      await ok("tag", `${host}/mine/box:1`, `${host}/mine/box:${tag}`);
      await ok("push", `${host}/mine/box:${tag}`);
    }
    await ok("rmi", `${host}/mine/box:1`, `${host}/mine/box:2`, `${host}/mine/box:3`);
    assert.match(await ok("pull", "-a", `${host}/mine/box`), /Status: /);
    const tags = await ok("images", "--format", "{{.Tag}}", `${host}/mine/box`);
    assert.deepEqual(tags.split("\n").toSorted(), ["1", "2", "3"]);
    assert.match((await docker("pull", "-a", `${host}/mine/none`)).stderr, /not found|name unknown/);
    assert.match((await docker("search", "box")).stderr, /searching a registry is not supported/);
    const manifest = JSON.parse(await ok("manifest", "inspect", "--insecure", `${host}/mine/box:1`)) as { layers: [] };
    assert.equal(manifest.layers.length, 1);
  });

  test("logout", async () => {
    await ok("logout", host);
    const { code, stderr } = await docker("pull", `${host}/mine/box:1`);
    assert.equal(code, 1);
    assert.match(stderr, /no basic auth credentials/);
  });
});
