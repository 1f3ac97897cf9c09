// The real docker CLI: version, info, images, and a container's life from create to rm.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { before, describe, test } from "node:test";
import { dockerOk } from "#test/docker-cli.ts";
import { startGantry, type Result, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";

let gantry: TestGantry;
const docker = (...args: string[]): Promise<Result> => gantry.docker(...args);

const ok = (...args: string[]): Promise<string> => dockerOk(gantry, ...args);

async function inspect(name: string, format: string): Promise<string> {
  return ok("inspect", "--format", format, name);
}

before(async () => {
  gantry = await startGantry({ flags: ["--no-kubernetes"] });
});

describe("the daemon", () => {
  test("version and info", async () => {
    assert.equal(await ok("version", "--format", "{{.Server.APIVersion}} {{.Server.MinAPIVersion}}"), "1.51 1.24");
    const info = JSON.parse(await ok("info", "--format", "json")) as Record<string, unknown>;
    assert.equal(info["Driver"], "overlay2");
    assert.equal(info["CgroupDriver"], "cgroupfs");
    assert.equal(info["ServerErrors"], undefined);
    assert.match(await ok("info"), /Server Version: /);
  });

  test("an API version outside the range is refused in Docker's words", async () => {
    const old = await gantry.run("curl", [
      "-s",
      "--unix-socket",
      `${gantry.root}/run/docker.sock`,
      "http://d/v1.10/info",
    ]);
    assert.match(old.stdout, /client version 1\.10 is too old\. Minimum supported API version is 1\.24/);
  });

  test("swarm commands say that there is none", async () => {
    assert.match((await docker("service", "ls")).stderr, /This node is not a swarm manager/);
  });
});

describe("images", () => {
  test("load, images, inspect, history, tag, save, rmi", async () => {
    assert.match(await ok("load", "-i", await testImage("busybox")), /Loaded image: busybox:latest/);
    assert.equal(await ok("images", "--format", "{{.Repository}}:{{.Tag}}"), "busybox:latest");
    assert.equal(await ok("image", "inspect", "--format", "{{.Os}}", "busybox"), "linux");
    assert.ok((await ok("history", "-q", "busybox")).length > 0);
    await ok("tag", "busybox", "localhost:5000/mine/box:1");
    assert.match(await ok("images", "--format", "{{.Repository}}:{{.Tag}}"), /localhost:5000\/mine\/box:1/);
    await ok("save", "-o", `${gantry.root}/saved.tar`, "busybox");
    assert.ok((await readFile(`${gantry.root}/saved.tar`)).length > 100_000);
    assert.equal(await ok("rmi", "localhost:5000/mine/box:1"), "Untagged: localhost:5000/mine/box:1");
  });

  test("import makes an image of a root file system", async () => {
    await ok("create", "--name", "source", "busybox");
    await ok("export", "-o", `${gantry.root}/root.tar`, "source");
    await ok("import", "--change", 'CMD ["echo", "imported"]', `${gantry.root}/root.tar`, "imported:1");
    assert.equal(await ok("run", "--rm", "imported:1"), "imported");
    await ok("rm", "source");
  });
});

describe("a container's life", () => {
  test("create, start, ps, inspect, stop, wait, rm", async () => {
    const id = await ok(
      "create",
      "--name",
      "life",
      "-e",
      "A=1",
      "--label",
      "tier=front",
      "busybox",
      "sh",
      "-c",
      "trap 'exit 7' TERM; while :; do sleep 0.1; done",
    );
    assert.match(id, /^[0-9a-f]{64}$/);
    assert.equal(await inspect("life", "{{.State.Status}}"), "created");
    await ok("start", "life");
    assert.equal(
      await inspect("life", "{{.State.Running}} {{.Config.Hostname}} {{.HostConfig.NetworkMode}}"),
      `true ${id.slice(0, 12)} bridge`,
    );
    assert.match(
      await ok("ps", "--filter", "label=tier=front", "--format", "{{.Names}} {{.Status}} {{.Image}}"),
      /^life Up .* busybox$/,
    );
    await ok("stop", "life");
    assert.equal(await inspect("life", "{{.State.Status}} {{.State.ExitCode}}"), "exited 7");
    assert.equal(await ok("wait", "life"), "7");
    assert.equal(await ok("ps", "-q"), "");
    assert.match(await ok("ps", "-a", "--format", "{{.Names}} {{.Status}}"), /life Exited \(7\)/);
    await ok("rm", "life");
    assert.match((await docker("inspect", "life")).stderr, /No such object: life/i);
  });

  test("run -d, logs -f, exec, top, stats, rename, restart, kill", async () => {
    await ok(
      "run",
      "-d",
      "--name",
      "busy",
      "busybox",
      "sh",
      "-c",
      "for i in 1 2 3; do echo line $i; sleep 0.1; done; echo err >&2; exec sleep 100",
    );
    const follow = gantry.run("timeout", ["1.5", "docker", "logs", "-f", "--timestamps", "busy"]);
    assert.equal(await ok("exec", "-e", "X=7", "-w", "/tmp", "busy", "sh", "-c", "echo $X $(pwd)"), "7 /tmp");
    assert.equal((await docker("exec", "busy", "sh", "-c", "exit 9")).code, 9);
    assert.match(await ok("top", "busy"), /UID\s+PID\s+PPID\s+C\s+STIME\s+TTY\s+TIME\s+CMD\n.*sleep 100/);
    assert.match(
      await ok("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}} {{.PIDs}}", "busy"),
      /^busy .+B \/ .+B \d+$/,
    );
    const { stdout, stderr } = await follow;
    assert.match(stdout, /^\d{4}-\d\d-\d\dT[\d:.]+Z line 1\n.* line 2\n.* line 3\n$/);
    assert.match(stderr, /err/);
    assert.equal(await ok("logs", "--tail", "2", "busy"), "line 3");
    await ok("rename", "busy", "busier");
    await ok("restart", "-t", "0", "busier");
    await ok("kill", "busier");
    assert.equal(await ok("wait", "busier"), "137");
    await ok("rm", "busier");
  });

  test("pause and unpause", async () => {
    await ok("run", "-d", "--name", "frozen", "busybox", "sleep", "100");
    await ok("pause", "frozen");
    assert.match(await ok("ps", "--format", "{{.Status}}"), /\(Paused\)/);
    assert.match((await docker("exec", "frozen", "true")).stderr, /is paused, unpause the container before exec/);
    await ok("unpause", "frozen");
    await ok("rm", "-f", "frozen");
  });

  test("events tell of it all, since and until", async () => {
    const since = Math.floor(Date.now() / 1000);
    await ok("run", "--rm", "--name", "told", "busybox", "true");
    const actions = (
      await ok(
        "events",
        "--since",
        String(since),
        "--until",
        String(Math.ceil(Date.now() / 1000) + 1),
        "--filter",
        "container=told",
        "--format",
        "{{.Action}}",
      )
    ).split("\n");
    assert.deepEqual(
      actions.filter((action) => action !== "attach"),
      ["create", "start", "die", "destroy"],
    );
  });
});
