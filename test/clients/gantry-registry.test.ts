// The built-in registry (localhost:5000 with nothing set up) and `gantry registry`, through the real docker CLI.
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { before, describe, test } from "node:test";
import { hash } from "bcryptjs";
import { dockerOk } from "#test/docker-cli.ts";
import { startGantry, type Result, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";

let gantry: TestGantry;
const project = new URL("../../", import.meta.url).pathname;
/** The command as the sources have it. */
const cli = (...args: string[]): Promise<Result> =>
  gantry.run("env", ["GANTRY_SOURCE=1", join(project, "bin/gantry"), ...args]);
const ok = (...args: string[]): Promise<string> => dockerOk(gantry, ...args);

before(async () => {
  gantry = await startGantry({ flags: ["--no-kubernetes"] });
  await ok("load", "-i", await testImage("busybox"));
});

/** Whether somebody listens on a port of this machine. */
function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

describe("localhost:5000", () => {
  test("pushes and pulls with nothing set up, and listens once there is something", async () => {
    assert.equal(await listens(5000), false, "nobody asked for it yet");
    const name = "localhost:5000/team/box:1";
    assert.match((await gantry.docker("pull", "localhost:5000/no/such")).stderr, /not found|manifest unknown/);
    assert.equal(await listens(5000), false, "an empty registry takes no port");
    await ok("tag", "busybox", name);
    assert.match(await ok("push", name), /1: digest: sha256:[0-9a-f]{64} size: \d+/);
    await ok("rmi", name);
    assert.equal(await ok("run", "--rm", name, "echo", "pulled"), "pulled");
    assert.match(await ok("push", name), /Layer already exists/);
    assert.equal(await listens(5000), true);
    const tags = (await (await fetch("http://127.0.0.1:5000/v2/team/box/tags/list")).json()) as object;
    assert.deepEqual(tags, { name: "team/box", tags: ["1"] });
  });

  test("survives a restart", async () => {
    await gantry.kill();
    await gantry.restart();
    await ok("rmi", "localhost:5000/team/box:1");
    await ok("pull", "127.0.0.1:5000/team/box:1");
    assert.equal(await listens(5000), true);
  });

  test("whoever else listens there is asked instead", async () => {
    const other = await startGantry({
      flags: ["--no-kubernetes", "--bip", "172.29.0.1/16", "--registry-listen", "5999"],
    });
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url ?? "");
      response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(5998, "127.0.0.1", resolve));
    const third = await startGantry({
      flags: ["--no-kubernetes", "--bip", "172.30.0.1/16", "--registry-listen", "5997"],
    });
    try {
      assert.equal(await listens(5999), true, "asked for: it listens from the start");
      await other.docker("pull", "localhost:5998/x");
      assert(asked.includes("/v2/"), asked.join());
      // The first one's registry is a stranger to the others, and answers them.
      await dockerOk(third, "pull", "localhost:5000/team/box:1");
    } finally {
      server.close();
      await other.stop();
      await third.stop();
    }
  });

  test("an address that others could reach is refused", async () => {
    const result = await cli("--root", join(gantry.root, "x"), "up", "--registry-listen", "0.0.0.0:5000");
    assert.equal(result.code, 1);
    assert.match(result.stderr, /--registry-listen 0\.0\.0\.0:5000: wanted 127\.0\.0\.1:<port> or none/);
  });
});

/** Starts `gantry registry`; gives its address. */
async function startRegistry(root: string, ...flags: string[]): Promise<{ url: string; process: ChildProcess }> {
  const child = spawn(join(project, "bin/gantry"), ["--root", root, "registry", ...flags], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, GANTRY_SOURCE: "1" },
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const [, url] = /serves (\S+)$/.exec(line) ?? [];
    if (url !== undefined) return { url, process: child };
  }
  throw new Error("gantry registry ended");
}

async function end(child: ChildProcess): Promise<void> {
  const exit = once(child, "exit");
  child.kill("SIGINT");
  assert.deepEqual(await exit, [0, null]);
}

const NEW_CERTIFICATE =
  "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost".split(
    " ",
  );

describe("gantry registry", () => {
  test("with TLS and passwords, through the running Gantry", async () => {
    const folder = await mkdtemp(join(tmpdir(), "gantry-registry-"));
    const [cert, key, passwords] = [join(folder, "c.pem"), join(folder, "k.pem"), join(folder, "htpasswd")];
    const made = await gantry.run("openssl", [...NEW_CERTIFICATE, "-keyout", key, "-out", cert]);
    assert.equal(made.code, 0, made.stderr);
    await writeFile(passwords, `me:${await hash("secret", 5)}\n`);
    const flags = ["--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key, "--htpasswd", passwords];
    const { url, process: child } = await startRegistry(gantry.root, ...flags);
    const host = `localhost:${new URL(url).port}`;
    try {
      assert.match(url, /^https:/);
      const wrong = await gantry.run("docker", ["login", "-u", "me", "--password-stdin", host], { input: "wrong" });
      assert.match(wrong.stderr, /failed with status: 401 Unauthorized/);
      const login = await gantry.run("docker", ["login", "-u", "me", "--password-stdin", host], { input: "secret" });
      assert.match(login.stdout, /Login Succeeded/, login.stderr);
      await ok("tag", "busybox", `${host}/box:1`);
      await ok("push", `${host}/box:1`);
      await ok("rmi", `${host}/box:1`);
      assert.equal(await ok("run", "--rm", "--pull=always", `${host}/box:1`, "echo", "safe"), "safe");
    } finally {
      await end(child);
      await rm(folder, { recursive: true, force: true });
    }
    await assert.rejects(fetch(url), "it ended with its command");
  });

  test("by itself where no Gantry runs", async () => {
    const root = await mkdtemp(join(tmpdir(), "gantry-registry-"));
    const { url, process: child } = await startRegistry(root, "--listen", "0");
    const name = `${new URL(url).host}/alone/box:1`;
    try {
      await ok("tag", "busybox", name);
      await ok("push", name);
      await ok("rmi", name);
      await ok("pull", name);
    } finally {
      await end(child);
    }
    const again = await startRegistry(root, "--listen", "0");
    const list = (await (await fetch(`${again.url}/v2/_catalog`)).json()) as object;
    await end(again.process);
    await rm(root, { recursive: true, force: true });
    assert.deepEqual(list, { repositories: ["alone/box"] });
  });

  test("its help teaches, and flags that do not fit are refused", async () => {
    const help = await cli("registry", "--help");
    for (const text of ["docker push localhost:5000/app", "--htpasswd", "/etc/docker/certs.d", "Ctrl-C"])
      assert(help.stdout.includes(text), text);
    const half = await cli("--root", gantry.root, "registry", "--tls-cert", "/x");
    assert.match(half.stderr, /--tls-cert and --tls-key go together/);
    const none = await cli("--root", gantry.root, "registry", "--listen", "0", "--htpasswd", "/no/such");
    assert.match(none.stderr, /--htpasswd \/no\/such: ENOENT/);
  });
});
