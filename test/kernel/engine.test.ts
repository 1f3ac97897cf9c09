// The container engine on real images, shims and cgroups: a container's life, its limits, its streams, its files.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { after, before, describe, test } from "node:test";
import { isGantryError, type ErrorCode } from "#base/errors.ts";
import { demultiplex, startEngine, text, type TestEngine } from "#test/engine.ts";
import { enterFreshHost } from "#test/isolated-network.ts";

let t: TestEngine;
before(async () => {
  await enterFreshHost();
  t = await startEngine();
});
after(() => t.end());

const refuses = (code: ErrorCode, words: string) => (error: unknown) =>
  isGantryError(error, code) && error.message.includes(words)
    ? true
    : assert.fail(`${String(error)} is not ${code} ${words}`);

async function runOut(
  args: string[],
  changes: Parameters<TestEngine["run"]>[1] = {},
): Promise<{ code: number; out: string }> {
  const { id } = await t.run(args, changes);
  const out = await t.log(id);
  const { code } = await t.engine.wait(id, "not-running");
  await t.engine.remove(id, { volumes: true });
  return { code, out };
}

describe("a container's life", () => {
  test("created, started, ended, removed: states and events", async () => {
    const from = t.events.length;
    const created = await t.engine.create(
      t.config(["sh", "-c", "echo hi; exit 7"], { name: "life", labels: { a: "b" } }),
    );
    assert.deepEqual(created.state, { status: "created" });
    assert.equal(created.config.hostname, created.id.slice(0, 12));
    const removed = t.engine.wait(created.id, "removed");
    const next = t.engine.wait(created.id, "next-exit");
    await t.engine.start(created.id);
    const exit = await next;
    assert.equal(exit.code, 7);
    assert.equal(exit.oomKilled, false);
    assert.equal(await t.log(created.id), "hi\n");
    const ended = t.engine.get("life");
    assert.equal(ended.state.status, "exited");
    assert.deepEqual(await t.engine.wait(created.id, "not-running"), exit);
    await t.engine.remove(created.id);
    assert.equal((await removed).code, 7);
    assert.equal(t.engine.find("life"), undefined);
    assert.throws(() => t.engine.get("life"), refuses("not-found", "No such container: life"));
    const events = t.events
      .slice(from)
      .map(({ action, attributes }) => `${action} ${attributes["exitCode"] ?? ""}`.trim());
    assert.deepEqual(events, ["create", "start", "die 7", "destroy"]);
    assert.deepEqual(
      t.events.slice(from).map(({ attributes }) => [attributes["name"], attributes["image"], attributes["a"]]),
      Array.from({ length: 4 }, () => ["life", "busybox", "b"]),
    );
  });

  test("names: taken, invalid, by prefix, renamed", async () => {
    const one = await t.engine.create(t.config(["true"], { name: "one" }));
    const two = await t.engine.create(t.config(["true"]));
    assert.match(two.name, /^[a-z]+_[a-z]+\d?$/);
    await assert.rejects(
      t.engine.create(t.config(["true"], { name: "one" })),
      refuses("conflict", `Conflict. The container name "/one" is already in use by container "${one.id}"`),
    );
    await assert.rejects(
      t.engine.create(t.config(["true"], { name: "no/slash" })),
      refuses("invalid", "Invalid container name (no/slash)"),
    );
    assert.equal(t.engine.get(one.id.slice(0, 10)).id, one.id);
    await assert.rejects(
      t.engine.rename(two.id, "one"),
      refuses("conflict", "Error when allocating new name: Conflict."),
    );
    await t.engine.rename(one.id, "uno");
    assert.equal(t.engine.get("uno").id, one.id);
    assert.equal(t.engine.find("one"), undefined);
    await t.engine.remove(one.id);
    await t.engine.remove(two.id);
  });

  test("what cannot be started says so with Docker's exit codes, and leaves it created", async () => {
    const cases: [string[], number, string][] = [
      [["nosuch"], 127, 'exec: "nosuch": executable file not found in $PATH'],
      [["/no/such"], 127, 'exec: "/no/such": stat /no/such: no such file or directory'],
      [["/etc/passwd"], 126, 'exec: "/etc/passwd": permission denied'],
      [["/etc"], 126, 'exec: "/etc": is a directory'],
    ];
    for (const [args, code, words] of cases) {
      const { id } = await t.engine.create(t.config(args));
      await assert.rejects(t.engine.start(id), refuses("exec-failed", words));
      const { state } = t.engine.get(id);
      assert.equal(state.status, "created");
      assert.equal(state.status === "created" && state.exit?.code, code);
      await t.engine.remove(id);
    }
    const { id } = await t.engine.create(t.config(["true"], { user: "nobody-here" }));
    await assert.rejects(
      t.engine.start(id),
      refuses("invalid", "unable to find user nobody-here: no matching entries in passwd file"),
    );
    await t.engine.remove(id);
  });

  test("stop, kill, pause and the refusals around them", async () => {
    const { id, name } = await t.run(["sh", "-c", "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done"]);
    await assert.rejects(t.engine.start(id), refuses("not-modified", "already started"));
    await assert.rejects(
      t.engine.remove(id),
      refuses(
        "conflict",
        `cannot remove container "/${name}": container is running: stop the container before removing or force remove`,
      ),
    );
    await t.engine.pause(id);
    assert.equal(t.engine.get(id).state.status, "paused");
    await assert.rejects(t.engine.pause(id), refuses("conflict", `Container ${id} is already paused`));
    await assert.rejects(t.engine.remove(id), refuses("conflict", "container is paused and must be unpaused first"));
    await t.engine.unpause(id);
    await assert.rejects(t.engine.unpause(id), refuses("conflict", `Container ${id} is not paused`));
    await delay(200);
    const from = t.events.length;
    await t.engine.stop(id);
    assert.equal((await t.engine.wait(id, "not-running")).code, 3);
    assert.deepEqual(
      t.events.slice(from).map(({ action }) => action),
      ["kill", "die", "stop"],
    );
    await assert.rejects(t.engine.stop(id), refuses("not-modified", "already stopped"));
    await assert.rejects(t.engine.kill(id, 9), refuses("conflict", `container ${id} is not running`));
    await t.engine.start(id);
    await t.engine.kill(id, 9);
    assert.equal((await t.engine.wait(id, "not-running")).code, 137);
    await t.engine.remove(id);
  });

  test("a container that ignores its stop signal is killed, also when paused", async () => {
    const { id } = await t.run(["sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"]);
    await t.engine.pause(id);
    const started = Date.now();
    await t.engine.stop(id, { timeoutSeconds: 1 });
    assert.ok(Date.now() - started >= 1000);
    assert.equal((await t.engine.wait(id, "not-running")).code, 137);
    await t.engine.restart(id, { timeoutSeconds: 0 });
    assert.equal(t.engine.get(id).state.status, "running");
    await t.engine.restart(id, { timeoutSeconds: 0 });
    await t.engine.remove(id, { force: true });
    assert.equal(t.engine.find(id), undefined);
  });

  test("auto-removal takes the container and its anonymous volumes", async () => {
    const { id, mounts } = await t.run(["true"], {
      autoRemove: true,
      mounts: [{ kind: "volume", name: undefined, target: "/v", readonly: false, copyUp: true }],
    });
    await t.engine.wait(id, "removed");
    assert.equal(t.engine.find(id), undefined);
    assert.throws(() => t.engine.volumes.get(mounts[0]?.name ?? ""), refuses("not-found", "no such volume"));
  });
});

describe("what a process finds", () => {
  test("identity, environment, names, mounts", async () => {
    const { out } = await runOut(
      [
        "sh",
        "-c",
        "id; hostname; pwd; echo $HOME $PATH $X; cat /etc/hostname; grep Cap /proc/self/status; cat /proc/1/comm",
      ],
      {
        user: "1000:7",
        hostname: "web",
        workingDir: "/made/here",
        env: ["X=1"],
        additionalGroups: ["9"],
      },
    );
    const lines = out.split("\n");
    assert.match(lines[0] ?? "", /uid=1000 gid=7.* groups=.*7.*9/);
    assert.deepEqual(lines.slice(1, 5), [
      "web",
      "/made/here",
      "/ /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin 1",
      "web",
    ]);
    assert.match(out, /CapInh:\s0000000000000000\nCapPrm:\s0000000000000000/);
    assert.match(out, /CapBnd:\s00000000a80425fb/);
    assert.match(out, /CapAmb:\s0000000000000000/);
  });

  test("an init reaps and passes signals on", async () => {
    const { id } = await t.run(["sh", "-c", "trap 'exit 4' TERM; echo $$; while :; do sleep 0.05; done"], {
      init: true,
    });
    await delay(100);
    await t.engine.stop(id);
    assert.equal((await t.engine.wait(id, "not-running")).code, 4);
    assert.notEqual((await t.log(id)).trim(), "1");
    await t.engine.remove(id);
  });

  test("a read-only root, a tmpfs, a bind that is made", async () => {
    const source = join(t.root, "made-by-bind");
    const { out } = await runOut(
      [
        "sh",
        "-c",
        "touch /x 2>&1; touch /t/y && echo tmp; touch /b/z && echo bind; touch /r/q 2>&1; df -k /t | tail -1",
      ],
      {
        readonlyRoot: true,
        mounts: [
          { kind: "tmpfs", target: "/t", options: ["size=1m"] },
          { kind: "bind", source, target: "/b", readonly: false, create: true, recursive: true },
          { kind: "bind", source, target: "/r", readonly: true, create: true, recursive: true },
        ],
      },
    );
    assert.match(out, /touch: \/x: Read-only file system\ntmp\nbind\ntouch: \/r\/q: Read-only file system\n.* 1024 /);
    assert.ok(existsSync(join(source, "z")));
    const { id } = await t.engine.create(
      t.config(["true"], {
        mounts: [
          { kind: "bind", source: "/no/such/source", target: "/b", readonly: false, create: false, recursive: true },
        ],
      }),
    );
    await assert.rejects(t.engine.start(id), refuses("invalid", "bind source path does not exist: /no/such/source"));
    await t.engine.remove(id);
  });

  test("a file cannot be mounted on a directory", async () => {
    const file = join(t.root, "a-file");
    writeFileSync(file, "x");
    const { id } = await t.engine.create(
      t.config(["true"], {
        mounts: [{ kind: "bind", source: file, target: "/etc", readonly: false, create: false, recursive: true }],
      }),
    );
    await assert.rejects(
      t.engine.start(id),
      refuses("exec-failed", "Are you trying to mount a directory onto a file (or vice-versa)?"),
    );
    await t.engine.remove(id);
  });
});

describe("limits", () => {
  test("land in the cgroup, and can be changed while it runs", async () => {
    const { id } = await t.run(["sleep", "100"], {
      resources: { memory: { limit: 64 << 20 }, pids: { limit: 33 }, cpu: { shares: 512 } },
    });
    const file = (controller: string, name: string): string =>
      readFileSync(`/sys/fs/cgroup/${controller}${t.cgroupParent}/${id}/${name}`, "utf8").trim();
    assert.equal(file("memory", "memory.limit_in_bytes"), String(64 << 20));
    assert.equal(file("pids", "pids.max"), "33");
    assert.equal(file("cpu", "cpu.shares"), "512");
    await t.engine.update(id, {
      resources: { memory: { limit: 48 << 20 } },
      restartPolicy: { kind: "unless-stopped" },
    });
    assert.equal(file("memory", "memory.limit_in_bytes"), String(48 << 20));
    const { config } = t.engine.get(id);
    assert.deepEqual(
      [config.resources.pids, config.resources.memory, config.restartPolicy],
      [{ limit: 33 }, { limit: 48 << 20 }, { kind: "unless-stopped" }],
    );
    const stats = await t.engine.stats(id);
    assert.equal(stats.memory.limitBytes, 48 << 20);
    assert.equal(stats.pids.current, 1);
    assert.ok(stats.memory.usageBytes > 0 && stats.cpu.usageNanos > 0);
    assert.deepEqual((await t.engine.processes(id)).length, 1);
    await t.engine.remove(id, { force: true });
  });

  test("a process over its memory limit is killed, and it says so", async () => {
    const from = t.events.length;
    const { id } = await t.run(["sh", "-c", "x=$(head -c 100000000 /dev/zero | tr '\\0' x)"], {
      resources: { memory: { limit: 16 << 20, swap: 16 << 20 } },
    });
    const exit = await t.engine.wait(id, "not-running");
    assert.deepEqual([exit.code, exit.oomKilled], [137, true]);
    assert.ok(t.events.slice(from).some(({ action }) => action === "oom"));
    await t.engine.remove(id);
  });
});

describe("streams", () => {
  test("logs: both streams, framing, tail, since, follow", async () => {
    const { id } = await t.run(["sh", "-c", "for i in 1 2 3; do echo out $i; echo err $i >&2; sleep 0.1; done"]);
    const following = t.engine.logs(id, {
      stdout: true,
      stderr: false,
      follow: true,
      timestamps: false,
      framing: "raw",
    });
    assert.equal(await text(await following), "out 1\nout 2\nout 3\n");
    await t.engine.wait(id, "not-running");
    const framed = await t.engine.logs(id, {
      stdout: true,
      stderr: true,
      follow: false,
      timestamps: false,
      framing: "multiplexed",
    });
    assert.deepEqual(demultiplex(Buffer.concat(await framed.toArray())), {
      stdout: "out 1\nout 2\nout 3\n",
      stderr: "err 1\nerr 2\nerr 3\n",
    });
    const tail = await t.engine.logs(id, {
      stdout: true,
      stderr: true,
      follow: false,
      timestamps: true,
      framing: "raw",
      tail: 1,
    });
    assert.match(await text(tail), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (out|err) 3\n$/);
    await t.engine.remove(id);
  });

  test("logs rotate by size, and are read over all files", async () => {
    const { id } = await t.run(
      ["sh", "-c", "i=0; while [ $i -lt 400 ]; do echo line $i of some length; i=$((i+1)); done"],
      { log: { driver: "json-file", maxBytes: 8192, maxFiles: 3 } },
    );
    await t.engine.wait(id, "not-running");
    const log = await t.log(id);
    const lines = log.trimEnd().split("\n");
    assert.ok(lines.length > 100 && lines.length < 400, `${lines.length} lines`);
    assert.equal(lines.at(-1), "line 399 of some length");
    const first = Number(/\d+/.exec(lines[0] ?? "")?.[0]);
    assert.deepEqual(
      lines,
      Array.from({ length: 400 - first }, (_, at) => `line ${first + at} of some length`),
    );
    await t.engine.remove(id);
  });

  test("an attacher that comes before the start sees everything, and its input arrives", async () => {
    const { id } = await t.engine.create(t.config(["sh", "-c", "echo ready; cat; echo end >&2"], { stdin: "once" }));
    const stream = await t.engine.attach(id, { stdin: true, stdout: true, stderr: true, logs: false, stream: true });
    stream.write("early ");
    const output = stream.toArray();
    await t.engine.start(id);
    stream.end("input\n");
    assert.deepEqual(demultiplex(Buffer.concat(await output)), { stdout: "ready\nearly input\n", stderr: "end\n" });
    assert.equal((await t.engine.wait(id, "not-running")).code, 0);
    await t.engine.remove(id);
  });

  test("attached with logs, what was written before comes first; a terminal is raw and has a size", async () => {
    const { id } = await t.run(["sh", "-c", "echo first; read line; echo got $line; stty size"], {
      terminal: true,
      stdin: "open",
    });
    await t.engine.resize(id, 33, 77);
    await delay(200);
    const stream = await t.engine.attach(id, { stdin: true, stdout: true, stderr: true, logs: true, stream: true });
    stream.write("hello\n");
    const out = await text(stream);
    assert.match(out, /^first\r\n(hello\r\n)?got hello\r\n33 77\r\n$/);
    stream.end();
    await t.engine.wait(id, "not-running");
    await t.engine.remove(id);
  });

  test("an attacher of a start that fails comes to an end", async () => {
    const { id } = await t.engine.create(t.config(["nosuch"]));
    const stream = await t.engine.attach(id, { stdin: false, stdout: true, stderr: true, logs: false, stream: true });
    const output = stream.toArray();
    await assert.rejects(t.engine.start(id));
    assert.deepEqual(await output, []);
    await t.engine.remove(id);
  });
});

describe("exec", () => {
  test("runs beside the first process: streams, code, user, environment", async () => {
    const { id } = await t.run(["sleep", "100"], { env: ["A=container", "B=container"] });
    const from = t.events.length;
    const exec = await t.engine.createExec(id, {
      args: ["sh", "-c", "id -u; echo $A $B; pwd; cat; echo err >&2; exit 5"],
      env: ["B=exec"],
      workingDir: "/tmp",
      user: "42",
      privileged: false,
      terminal: false,
      stdin: true,
      stdout: true,
      stderr: true,
    });
    const stream = await t.engine.startExec(exec.id, { detach: false });
    assert.ok(stream);
    stream.end("in\n");
    assert.deepEqual(demultiplex(Buffer.concat(await stream.toArray())), {
      stdout: "42\ncontainer exec\n/tmp\nin\n",
      stderr: "err\n",
    });
    assert.equal(await t.engine.waitExec(exec.id), 5);
    const { state } = t.engine.exec(exec.id);
    assert.equal(state.status === "exited" && state.code, 5);
    assert.deepEqual(t.engine.get(id).execIds, []);
    await assert.rejects(t.engine.startExec(exec.id, { detach: false }), refuses("conflict", "has already run"));
    assert.deepEqual(
      t.events.slice(from).map(({ action }) => action.split(":")[0]),
      ["exec_create", "exec_start", "exec_die"],
    );
    await t.engine.remove(id, { force: true });
    assert.throws(() => t.engine.exec(exec.id), refuses("not-found", "No such exec instance"));
  });

  test("what cannot be executed, a terminal, one that outlives its caller, many at once", async () => {
    const { id } = await t.run(["sleep", "100"]);
    const base = { env: [], privileged: false, terminal: false, stdin: false, stdout: true, stderr: true };
    const bad = await t.engine.createExec(id, { ...base, args: ["nosuch"] });
    await assert.rejects(
      t.engine.startExec(bad.id, { detach: false }),
      refuses(
        "exec-failed",
        'OCI runtime exec failed: exec failed: unable to start container process: exec: "nosuch": executable file not found in $PATH',
      ),
    );
    assert.equal(await t.engine.waitExec(bad.id), 127);
    const tty = await t.engine.createExec(id, { ...base, terminal: true, args: ["sh", "-c", "tty; stty size"] });
    const stream = await t.engine.startExec(tty.id, { detach: false, terminal: { rows: 10, columns: 20 } });
    assert.ok(stream);
    assert.match(await text(stream), /^\/dev\/pts\/\d\r\n10 20\r\n$/);
    stream.end();
    const detached = await t.engine.createExec(id, { ...base, args: ["sleep", "50"] });
    assert.equal(await t.engine.startExec(detached.id, { detach: true }), undefined);
    assert.deepEqual(t.engine.get(id).execIds, [detached.id]);
    const many = await Promise.all(
      Array.from({ length: 10 }, async (_, at) => {
        const each = await t.engine.createExec(id, { ...base, args: ["sh", "-c", `exit ${at}`] });
        (await t.engine.startExec(each.id, { detach: false }))?.resume();
        return t.engine.waitExec(each.id);
      }),
    );
    assert.deepEqual(many, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    await t.engine.remove(id, { force: true });
  });

  test("not in a container that is down or paused", async () => {
    const { id } = await t.run(["sleep", "100"]);
    const config = {
      args: ["true"],
      env: [],
      privileged: false,
      terminal: false,
      stdin: false,
      stdout: true,
      stderr: true,
    };
    await t.engine.pause(id);
    await assert.rejects(
      t.engine.createExec(id, config),
      refuses("conflict", "is paused, unpause the container before exec"),
    );
    await t.engine.kill(id, 9);
    await assert.rejects(t.engine.createExec(id, config), refuses("conflict", `container ${id} is not running`));
    await t.engine.remove(id);
  });
});

describe("volumes", () => {
  test("named, shared, in use, filled from the image with owner and mode", async () => {
    const volume = { kind: "volume", name: "shared", target: "/etc", readonly: false, copyUp: true } as const;
    const { out } = await runOut(["sh", "-c", "ls /etc/passwd; echo mine > /etc/mine"], { mounts: [volume] });
    assert.equal(out, "/etc/passwd\n");
    const { id } = await t.run(["sh", "-c", "cat /v/mine; ls -ld /v"], {
      mounts: [{ ...volume, target: "/v", readonly: true }],
    });
    await t.engine.wait(id, "not-running");
    assert.match(await t.log(id), /^mine\ndrwxr-xr-x/);
    assert.deepEqual(t.engine.volumes.users("shared"), [id]);
    await assert.rejects(
      t.engine.volumes.remove("shared", false),
      refuses("conflict", `remove shared: volume is in use - [${id}]`),
    );
    await t.engine.remove(id, { volumes: true });
    assert.equal(t.engine.volumes.get("shared").anonymous, false);
    await t.engine.volumes.remove("shared", false);
    await assert.rejects(t.engine.volumes.remove("shared", false), refuses("not-found", "get shared: no such volume"));
    await t.engine.volumes.remove("shared", true);
  });

  test("names and options are checked; a tmpfs volume is there while it is used", async () => {
    const create = (name: string, options = {}, driver = "local") =>
      t.engine.volumes.create({ name, driver, labels: {}, options });
    await assert.rejects(create("a"), refuses("invalid", "volume name is too short"));
    await assert.rejects(create("a/b"), refuses("invalid", "includes invalid characters for a local volume name"));
    await assert.rejects(create("bad", { hello: "x" }), refuses("invalid", 'invalid option: "hello"'));
    await assert.rejects(create("bad", { type: "tmpfs" }), refuses("invalid", 'missing required option: "device"'));
    await assert.rejects(create("bad", {}, "nosuch"), refuses("not-found", 'plugin "nosuch" not found'));
    const { mountpoint } = await create("memory", { type: "tmpfs", device: "tmpfs", o: "size=1m,nosuid" });
    const { out } = await runOut(["sh", "-c", "df -k /m | tail -1"], {
      mounts: [{ kind: "volume", name: "memory", target: "/m", readonly: false, copyUp: true }],
    });
    assert.match(out, /^tmpfs +1024 /);
    assert.ok(!readFileSync("/proc/self/mountinfo", "utf8").includes(mountpoint));
    await t.engine.volumes.remove("memory", false);
    assert.ok(!existsSync(mountpoint));
  });
});

test("health checks: starting, healthy, unhealthy, with what they print", async () => {
  const from = t.events.length;
  const { id } = await t.run(["sleep", "100"], {
    healthcheck: {
      Test: ["CMD-SHELL", "cat /tmp/ok || { echo bad; exit 1; }"],
      Interval: 100e6,
      Timeout: 2e9,
      Retries: 2,
    },
  });
  assert.equal(t.engine.get(id).health?.status, "starting");
  const until = async (status: string): Promise<void> => {
    for (let check = 0; check < 100 && t.engine.get(id).health?.status !== status; check++) await delay(50);
    assert.equal(t.engine.get(id).health?.status, status);
  };
  await until("unhealthy");
  assert.match(t.engine.get(id).health?.log.at(-1)?.output ?? "", /No such file or directory\nbad\n/);
  const exec = await t.engine.createExec(id, {
    args: ["touch", "/tmp/ok"],
    env: [],
    privileged: false,
    terminal: false,
    stdin: false,
    stdout: true,
    stderr: true,
  });
  await t.engine.startExec(exec.id, { detach: true });
  await until("healthy");
  await t.engine.remove(id, { force: true });
  const actions = t.events
    .slice(from)
    .map(({ action }) => action)
    .filter((action) => action.startsWith("health"));
  assert.deepEqual(actions, ["health_status: unhealthy", "health_status: healthy"]);
});

test("files of the engine are closed to others", async () => {
  const { id, logPath } = await t.run(["true"]);
  await t.engine.wait(id, "not-running");
  const directory = join(t.root, "data/containers", id);
  for (const path of [join(t.root, "data/containers"), directory]) assert.equal(statSync(path).mode & 0o007, 0, path);
  for (const path of [join(directory, "config.json"), join(directory, "state"), logPath])
    assert.equal(statSync(path).mode & 0o007, 0, path);
  await t.engine.remove(id);
  mkdirSync(join(t.root, "probe"), { recursive: true });
});
