// The gantry command as people use it: up, status, env, kubeconfig, down, and what it says when it cannot start.
import assert from "node:assert/strict";
import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { run, type Result } from "#test/gantry.ts";
import { enterFreshHost } from "#test/isolated-network.ts";

const bin = new URL("../../bin/gantry", import.meta.url).pathname;
let root = "";

before(async () => {
  await enterFreshHost();
  root = await mkdtemp(join(tmpdir(), "gantry-cli-"));
});
after(async () => {
  await gantry("down");
  await rm(root, { recursive: true, force: true });
});

function gantry(...args: string[]): Promise<Result> {
  return run(bin, ["--root", root, ...args], { ...process.env, GANTRY_SOURCE: "1", HOME: root });
}

describe("gantry up -d, status, env, kubeconfig, down", () => {
  test("nothing runs yet", async () => {
    const status = await gantry("status");
    assert.equal(status.code, 3);
    assert.match(status.stdout, /not running. Start it with: gantry up/);
    const env = await gantry("env");
    assert.equal(env.code, 1);
    assert.match(env.stderr, /start it with 'gantry up -d'/);
    assert.equal((await gantry("down")).stdout, "Gantry was not running.\n");
  });

  test("up -d returns when both APIs answer, and says what to try next", async () => {
    const up = await gantry("up", "-d", "--api-port", "0");
    assert.equal(up.code, 0, up.stderr);
    assert.match(up.stdout, /Gantry is up in \d/);
    assert.match(up.stdout, /unix:\/\/.*docker\.sock/);
    assert.match(up.stdout, /https:\/\/127\.0\.0\.1:\d+/);
    assert.ok((up.stdout.split("Try:")[1] ?? "").trim().split("\n").length >= 3, up.stdout);
    assert.ok(up.stdout.includes(`gantry env --root ${root})`), "what to try next is about this root");
    assert.match((await gantry("up", "-d")).stdout, /already runs/);
  });

  test("env points docker and kubectl at it", async () => {
    const script = `eval "$('${bin}' --root '${root}' env)" && docker version --format '{{.Server.APIVersion}}' && kubectl get nodes -o name`;
    const { code, stdout, stderr } = await run("sh", ["-c", script], {
      ...process.env,
      GANTRY_SOURCE: "1",
      HOME: root,
    });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^1\.51\nnode\//);
  });

  test("status as data and as text", async () => {
    const { stdout, code } = await gantry("status", "-o", "json");
    assert.equal(code, 0);
    const status = JSON.parse(stdout) as { running: boolean; apiServer: string; pid: number };
    assert.equal(status.running, true);
    assert.match(status.apiServer, /^https:/);
    assert.match((await gantry("status")).stdout, /Docker API/);
    assert.equal((await gantry("status", "-o", "yaml")).code, 1);
  });

  test("kubeconfig works for kubectl", async () => {
    const { stdout } = await gantry("kubeconfig");
    const file = join(root, "printed");
    await writeFile(file, stdout);
    const jsonpath = 'jsonpath={.items[0].status.conditions[?(@.type=="Ready")].status}';
    const nodes = await run("kubectl", ["--kubeconfig", file, "get", "nodes", "-o", jsonpath], {
      ...process.env,
      HOME: root,
    });
    assert.equal(nodes.stdout, "True", nodes.stderr);
  });

  test("a second one on the same root is refused", async () => {
    const second = await gantry("up");
    assert.equal(second.code, 1);
    assert.match(second.stderr, /already runs.*gantry --root .* down|already runs/);
  });

  test("down ends it", async () => {
    assert.equal((await gantry("down")).code, 0);
    assert.equal((await gantry("status")).code, 3);
  });
});

describe("what gantry up says when it cannot start", () => {
  test("a port that is taken", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const { code, stderr } = await gantry("up", "--api-port", String(port));
    server.close();
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`port ${port}.*(taken|in use).*--api-port`, "s"));
  });

  test("not root", async () => {
    await chmod(root, 0o755);
    const { code, stderr } = await run(
      "setpriv",
      ["--reuid=65534", "--clear-groups", bin, "--root", "/tmp/gantry-nobody", "up"],
      { ...process.env, GANTRY_SOURCE: "1" },
    );
    assert.equal(code, 1);
    assert.match(stderr, /needs root.*sudo/);
  });

  test("a root that is too long for a socket", async () => {
    const { code, stderr } = await run(bin, ["--root", `/tmp/${"x".repeat(120)}`, "up"], {
      ...process.env,
      GANTRY_SOURCE: "1",
    });
    assert.equal(code, 1);
    assert.match(stderr, /too long for a Unix socket/);
  });

  test("a kernel that lacks something", async () => {
    const fake = join(root, "filesystems");
    await writeFile(fake, "nodev\tproc\nnodev\tcgroup\nnodev\tcgroup2\n");
    const script = `mount --bind '${fake}' /proc/filesystems && exec '${bin}' --root '${root}' up`;
    const { code, stderr } = await run("unshare", ["--mount", "sh", "-c", script], {
      ...process.env,
      GANTRY_SOURCE: "1",
    });
    assert.equal(code, 1);
    assert.match(stderr, /this host lacks what Gantry needs:\n +- overlayfs: load it with 'modprobe overlay'/);
  });

  test("a default socket that another program serves is left alone, and told of", async () => {
    const taken = join(root, "taken.sock");
    const server = createServer((socket) => socket.destroy()).listen(taken);
    await once(server, "listening");
    // In a mount namespace of its own, so that "the machine's own" Gantry is one of the test's.
    const script = `set -e
      for place in /run /var/lib; do mount -t tmpfs none $place; done
      touch /run/docker.sock; mount --bind '${taken}' /run/docker.sock
      '${bin}' up -d --no-kubernetes
      '${bin}' down`;
    const { code, stdout, stderr } = await run("unshare", ["--mount", "sh", "-c", script], {
      ...process.env,
      GANTRY_SOURCE: "1",
      HOME: root,
    });
    server.close();
    assert.equal(code, 0, stderr);
    assert.match(stdout, /unix:\/\/\/run\/gantry\/docker\.sock\n/);
    assert.match(stdout, /docker\.sock is another program's .*DOCKER_HOST.*\n\nTry:\n +eval "\$\(npx gantry env\)"/s);
  });

  test("flags that are wrong are named", async () => {
    const { code, stderr } = await gantry("up", "--api-port", "seventy");
    assert.notEqual(code, 0);
    assert.match(stderr, /--api-port/);
    assert.match((await gantry("nosuchverb")).stderr, /unknown command 'nosuchverb'/);
  });

  test("--help teaches", async () => {
    const { stdout, code } = await gantry("--help");
    assert.equal(code, 0);
    for (const verb of ["up", "status", "down", "env", "kubeconfig"]) assert.match(stdout, new RegExp(`\\b${verb}\\b`));
    assert.match(stdout, /Examples:/);
  });
});

describe("the install step", () => {
  test("no C compiler is said with the way out", async () => {
    const script = new URL("../../scripts/install.sh", import.meta.url).pathname;
    const { code, stderr } = await run("sh", [script], { ...process.env, CC: "no-such-compiler" });
    assert.equal(code, 1);
    assert.match(stderr, /no C compiler.*apt-get install gcc/s);
  });
});
