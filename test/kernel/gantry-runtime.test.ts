/** The OCI runtime command: the life of a container as OCI runtime-spec runtime.md has it, and runc's command line. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { before, test } from "node:test";
import { createCgroup } from "#linux/cgroups.ts";
import type { OciSpec } from "#formats/oci-spec.ts";
import { CAPABILITY_NAMES } from "../../src/containers/plan/capabilities.ts";
import { ociRuntime, type OciRuntime } from "../support/oci-runtime.ts";
import { skipRuntime, until } from "../support/runtime.ts";

const skip = skipRuntime ?? false;
let runtime: OciRuntime;
before(async () => {
  if (!skip) runtime = await ociRuntime();
});

const runs =
  (...args: string[]) =>
  (spec: OciSpec): void => {
    if (spec.process) spec.process.args = args;
  };
const stateOf = (id: string): Record<string, unknown> => JSON.parse(runtime.ok("state", id)) as Record<string, unknown>;
const create = (id: string, bundle: string, ...flags: string[]): void => {
  const { code, stderr } = runtime.run("create", "--bundle", bundle, ...flags, id);
  assert.equal(code, 0, stderr);
};

test("create, start, exec, kill, delete: the states in between", { skip }, async () => {
  const id = runtime.id();
  const bundle = runtime.bundle((spec) => {
    runs("sh", "-c", "trap 'exit 9' TERM; echo > /tmp/up; while :; do sleep 0.1; done")(spec);
    spec.annotations = { "org.example": "yes" };
  });
  const pidFile = join(runtime.directory, "pid");
  create(id, bundle, "--pid-file", pidFile);
  const created = stateOf(id);
  const { pid, status, ociVersion, annotations } = created;
  assert.deepEqual(
    { status, ociVersion, annotations, bundle: created["bundle"], pid },
    {
      status: "created",
      ociVersion: "1.2.0",
      annotations: { "org.example": "yes" },
      bundle,
      pid: Number(readFileSync(pidFile, "utf8")),
    },
  );
  assert.match(runtime.run("create", "--bundle", bundle, id).stderr, /container with given ID already exists/);
  runtime.ok("start", id);
  assert.equal(stateOf(id)["status"], "running");
  assert.match(runtime.run("start", id).stderr, /cannot start an already running container/);
  await until(() => existsSync(`/proc/${String(pid)}/root/tmp/up`));

  const { code, stdout } = runtime.run(
    "exec",
    "-e",
    "A=b",
    "--cwd",
    "/tmp",
    "-u",
    "7:8",
    "--additional-gids",
    "9",
    id,
    "sh",
    "-c",
    "pwd; id -u; id -G; echo $A; exit 4",
  );
  assert.deepEqual([code, stdout], [4, "/tmp\n7\n8 9\nb\n"]);
  assert.match(runtime.run("exec", id, "nope").stderr, /exec: \\"nope\\": executable file not found in \$PATH/);
  const pids = JSON.parse(runtime.ok("ps", "--format", "json", id)) as number[];
  assert.ok(pids.includes(Number(pid)));
  assert.match(runtime.ok("ps", id), /UID +PID +PPID +CMD\n0 +\d+ +\d+ +sh -c trap/);
  assert.match(runtime.ok("list"), new RegExp(`${id} +${String(pid)} +running +/`));
  assert.equal((JSON.parse(runtime.ok("list", "-f", "json")) as { id: string }[])[0]?.id, id);
  assert.equal(runtime.ok("list", "-q"), `${id}\n`);

  assert.match(runtime.run("delete", id).stderr, /cannot delete container .* that is not stopped: running/);
  runtime.ok("kill", id, "TERM");
  await until(() => stateOf(id)["status"] === "stopped");
  assert.match(runtime.run("kill", id, "KILL").stderr, /container not running/);
  runtime.ok("delete", id);
  assert.match(runtime.run("state", id).stderr, /container does not exist/);
  assert.deepEqual(readdirSync(runtime.root), []);
});

test("run: output, exit code, stdin, descriptors that are passed on; nothing is left", { skip }, () => {
  const bundle = runtime.bundle(runs("sh", "-c", "echo out; echo err >&2; ls /proc/self/fd | tr '\\n' ' '; exit 5"));
  const id = runtime.id();
  const { code, stdout, stderr } = runtime.run("run", "--bundle", bundle, id);
  assert.deepEqual([code, stderr], [5, "err\n"]);
  // ls has one of its own.
  assert.equal(stdout, "out\n0 1 2 3 ");
  assert.deepEqual(readdirSync(runtime.root), []);
  for (const hierarchy of readdirSync("/sys/fs/cgroup"))
    assert.ok(!existsSync(join("/sys/fs/cgroup", hierarchy, id)), `a cgroup is left on ${hierarchy}`);
});

test("what cannot be created is undone, and said in runc's words, in the log's format", { skip }, () => {
  const failing = (change: (spec: OciSpec) => void, message: RegExp): void => {
    const [id, log] = [runtime.id(), join(runtime.directory, "log.json")];
    const { code, stderr } = runtime.run(
      "--log",
      log,
      "--log-format",
      "json",
      "create",
      "--bundle",
      runtime.bundle(change),
      id,
    );
    assert.equal(code, 1);
    assert.match(stderr, message);
    const last = readFileSync(log, "utf8").trim().split("\n").at(-1) ?? "";
    const { level, msg } = JSON.parse(last) as Record<string, string>;
    assert.deepEqual([level, msg], ["error", stderr.trim()]);
    assert.deepEqual(readdirSync(runtime.root), []);
  };
  failing(
    runs("nope"),
    /runc create failed: unable to start container process: exec: "nope": executable file not found in \$PATH/,
  );
  failing(runs("/etc"), /exec: "\/etc": is a directory/);
  failing(
    (spec) => spec.mounts?.push({ destination: "/x", type: "bind", source: "/does/not/exist", options: ["bind"] }),
    /bind source path does not exist: \/does\/not\/exist/,
  );
  failing((spec) => Object.assign(spec, { process: undefined }), /process property must not be empty/);
  failing((spec) => Object.assign(spec, { ociVersion: "2.0.0" }), /ociVersion "2\.0\.0" is not 1\.x/);
  failing(
    (spec) => Object.assign(spec.process ?? {}, { terminal: true }),
    /cannot allocate tty if runc will detach without setting console socket/,
  );
  failing((spec) => Object.assign(spec.linux ?? {}, { intelRdt: { closID: "x" } }), /linux\.intelRdt is not supported/);
  failing(
    (spec) => Object.assign(spec.linux ?? {}, { cgroupsPath: "a:b:c" }),
    /systemd's cgroup driver is not supported/,
  );
  assert.match(runtime.run("--systemd-cgroup", "list").stderr, /--systemd-cgroup is not supported/);
  assert.match(runtime.run("checkpoint", "x").stderr, /checkpoint is not supported/);
  assert.match(runtime.run("create", "--pidfd-socket", "/s", "x").stderr, /--pidfd-socket is not supported/);
  assert.match(runtime.run("create", "../x").stderr, /invalid container ID format/);
  assert.match(runtime.run("list", "--nope").stderr, /flag provided but not defined: -nope/);
});

test(
  "hooks: each in its time and its namespaces, with the state; one that fails stops the launch",
  { skip },
  async () => {
    const calls = join(runtime.directory, "calls");
    const script = join(runtime.directory, "hook.sh");
    const line = 'echo "$1 $(readlink /proc/self/ns/mnt) $(cat)" >> "$CALLS"';
    writeFileSync(script, `#!/bin/sh\n${line}\n`, { mode: 0o755 });
    const id = runtime.id();
    const hook = (name: string) => [
      { path: script, args: ["hook.sh", name], env: [`CALLS=${calls}`, "PATH=/bin:/usr/bin"] },
    ];
    const bundle = runtime.bundle((spec) => {
      runs("sleep", "100")(spec);
      spec.mounts?.push({ destination: "/out", type: "bind", source: runtime.directory, options: ["bind"] });
      spec.hooks = {
        prestart: hook("prestart"),
        createRuntime: hook("createRuntime"),
        createContainer: hook("createContainer"),
        startContainer: [
          {
            path: "/bin/sh",
            args: ["sh", "-c", 'echo "startContainer $(readlink /proc/self/ns/mnt) $(cat)" >> /out/calls'],
            env: ["PATH=/bin"],
          },
        ],
        poststart: hook("poststart"),
        poststop: hook("poststop"),
      };
    });
    create(id, bundle);
    const { pid } = stateOf(id);
    const own = statSync(`/proc/${String(pid)}/ns/mnt`).ino;
    const names = (): string[] =>
      readFileSync(calls, "utf8")
        .trim()
        .split("\n")
        .map((each) => each.split(" ")[0] ?? "");
    assert.deepEqual(names(), ["prestart", "createRuntime", "createContainer"]);
    runtime.ok("start", id);
    runtime.ok("delete", "--force", id);
    assert.deepEqual(names().slice(3), ["startContainer", "poststart", "poststop"]);
    const host = statSync("/proc/self/ns/mnt").ino;
    for (const call of readFileSync(calls, "utf8").trim().split("\n")) {
      const [name = "", namespace, ...rest] = call.split(" ");
      const inside = name === "createContainer" || name === "startContainer";
      assert.equal(namespace, `mnt:[${inside ? own : host}]`, name);
      const state = JSON.parse(rest.join(" ")) as Record<string, unknown>;
      assert.equal(state["id"], id);
      assert.equal(state["bundle"], bundle);
      assert.equal(state["pid"], name === "poststop" ? 0 : pid, name);
    }
    const failing = (hooks: NonNullable<OciSpec["hooks"]>): string =>
      runtime.run(
        "run",
        "--bundle",
        runtime.bundle((spec) => Object.assign(spec, { hooks })),
        runtime.id(),
      ).stderr;
    assert.match(
      failing({ createRuntime: [{ path: "/bin/sh", args: ["sh", "-c", "echo no; exit 3"] }] }),
      /error running createRuntime hook \/bin\/sh: exit status 3, output: no/,
    );
    assert.match(
      failing({ createContainer: [{ path: "/bin/sleep", args: ["sleep", "9"], timeout: 1 }] }),
      /hook ran past specified timeout of 1s/,
    );
    assert.match(failing({ prestart: [{ path: "relative" }] }), /path \\"relative\\" is not absolute/);
    assert.deepEqual(readdirSync(runtime.root), []);
  },
);

test("a terminal goes to the console socket", { skip }, async () => {
  const id = runtime.id();
  const bundle = runtime.bundle((spec) => {
    runs("sh", "-c", "tty; stty size")(spec);
    Object.assign(spec.process ?? {}, { terminal: true, consoleSize: { height: 30, width: 100 } });
  });
  const path = join(runtime.directory, "console.sock");
  // Node cannot receive descriptors: that one comes is seen by the byte that it comes with, and by the container's going on.
  const server = createServer().listen(path);
  await once(server, "listening");
  const child = runtime.spawn("create", "--bundle", bundle, "--console-socket", path, id);
  const [socket] = (await once(server, "connection")) as [Socket];
  const [name] = (await once(socket, "data")) as [Buffer];
  assert.equal(name.toString(), "/dev/ptmx");
  assert.deepEqual(await once(child, "exit"), [0, null]);
  server.close();
  socket.destroy();
  const foreground = runtime.id();
  const shown = runtime.run("run", "--bundle", bundle, foreground);
  assert.match(shown.stdout, /^\/dev\/pts\/0\r\n30 100\r\n$/);
});

test("pause, resume, update, events; exec in a paused container is refused", { skip }, async () => {
  const id = runtime.id();
  create(id, runtime.bundle(runs("sleep", "100")));
  runtime.ok("start", id);
  runtime.ok("pause", id);
  assert.equal(stateOf(id)["status"], "paused");
  assert.match(runtime.run("exec", id, "true").stderr, /cannot exec in a paused container/);
  assert.match(runtime.run("pause", id).stderr, /container not running or created: paused/);
  runtime.ok("resume", id);
  assert.match(runtime.run("resume", id).stderr, /container not paused/);
  runtime.ok("update", "--memory", "64m", "--pids-limit", "50", id);
  const file = join(runtime.directory, "resources.json");
  writeFileSync(file, JSON.stringify({ pids: { limit: 60 } }));
  const stats = (): { data: { memory: { usage: { limit: number } }; pids: { limit: number } } } =>
    JSON.parse(runtime.ok("events", "--stats", id)) as ReturnType<typeof stats>;
  assert.deepEqual([stats().data.memory.usage.limit, stats().data.pids.limit], [64 * 1024 * 1024, 50]);
  runtime.ok("update", "-r", file, id);
  assert.equal(stats().data.pids.limit, 60);
  const events = runtime.spawn("events", "--interval", "100ms", id);
  const [line] = (await once(events.stdout ?? events, "data")) as [Buffer];
  assert.equal((JSON.parse(line.toString().split("\n")[0] ?? "") as { type: string }).type, "stats");
  runtime.ok("kill", "--all", id, "9");
  assert.deepEqual(await once(events, "exit"), [0, null]);
  runtime.ok("delete", id);
});

test("exec --cgroup: below the container's on every hierarchy, or for some controllers; nowhere else", { skip }, () => {
  const id = runtime.id();
  const bundle = runtime.bundle((spec) => {
    runs("sleep", "100")(spec);
    Object.assign(spec.linux ?? {}, { cgroupsPath: `/${id}` });
  });
  runtime.ok("run", "--detach", "--bundle", bundle, id);
  const roots = readdirSync("/sys/fs/cgroup").filter((name) => existsSync(join("/sys/fs/cgroup", name, id)));
  createCgroup(`/${id}/sub`);
  const pidOfExec = (...flags: string[]): string => {
    const file = join(runtime.directory, "exec.pid");
    runtime.ok("exec", "--detach", "--pid-file", file, ...flags, id, "sleep", "100");
    return readFileSync(file, "utf8").trim();
  };
  const where = (...flags: string[]): string =>
    execFileSync("/bin/sh", ["-c", `cat /proc/$1/cgroup; kill -9 $1`, "sh", pidOfExec(...flags)], { encoding: "utf8" });
  const all = where("--cgroup", "sub");
  for (const line of all.trim().split("\n")) if (line.includes(id)) assert.ok(line.endsWith(`/${id}/sub`), all);
  if (roots.includes("memory")) {
    const some = where("--cgroup", "memory:sub", "--cgroup", "pids:sub");
    assert.match(some, new RegExp(`:memory:/${id}/sub$`, "m"));
    assert.match(some, new RegExp(`:pids:/${id}/sub$`, "m"));
    assert.match(some, new RegExp(`:devices:/${id}$`, "m"));
    assert.match(runtime.run("exec", "--cgroup", "nosuch:sub", id, "true").stderr, /unknown controller nosuch/);
    const twice = runtime.run("exec", "--cgroup", "memory:sub", "--cgroup", "memory:sub", id, "true");
    assert.match(twice.stderr, /named twice/);
  }
  assert.match(runtime.run("exec", "--cgroup", "../other", id, "true").stderr, /is not below the container's/);
  assert.match(runtime.run("exec", "--cgroup", "missing", id, "true").stderr, /does not exist/);
  runtime.ok("delete", "--force", id);
});

test("time, user and mount namespaces, and those of others by path", { skip }, async () => {
  const clock = (spec: OciSpec): void => {
    runs("sh", "-c", "cut -d. -f1 /proc/uptime; cat /proc/self/timens_offsets | tr -s ' '")(spec);
    spec.linux?.namespaces?.push({ type: "time" });
    Object.assign(spec.linux ?? {}, {
      timeOffsets: { boottime: { secs: 1_000_000 }, monotonic: { secs: 5, nanosecs: 7 } },
    });
  };
  const { stdout } = runtime.run("run", "--bundle", runtime.bundle(clock), runtime.id());
  const [uptime, ...offsets] = stdout.trim().split("\n");
  assert.ok(Number(uptime) >= 1_000_000);
  assert.deepEqual(
    offsets.map((line) => line.trim()),
    ["monotonic 5 7", "boottime 1000000 0"],
  );
  const id = runtime.id();
  const ids = [{ containerID: 0, hostID: 300_000, size: 65_536 }];
  create(
    id,
    runtime.bundle((spec) => {
      runs("sleep", "100")(spec);
      spec.linux?.namespaces?.push({ type: "user" });
      Object.assign(spec.linux ?? {}, { uidMappings: ids, gidMappings: ids });
    }),
  );
  runtime.ok("start", id);
  assert.match(runtime.ok("exec", id, "cat", "/proc/self/uid_map"), /0 +300000 +65536/);
  const { pid } = stateOf(id);
  const joined = runtime.bundle((spec) => {
    runs("sh", "-c", "for each in user net ipc uts pid mnt; do readlink /proc/self/ns/$each; done; hostname")(spec);
    const at = (type: "user" | "network" | "ipc" | "uts" | "pid", file: string) => ({
      type,
      path: `/proc/${String(pid)}/ns/${file}`,
    });
    Object.assign(spec, { hostname: undefined });
    Object.assign(spec.linux ?? {}, {
      namespaces: [
        at("user", "user"),
        at("network", "net"),
        at("ipc", "ipc"),
        at("uts", "uts"),
        at("pid", "pid"),
        { type: "mount" },
      ],
    });
  });
  const links = runtime.ok("run", "--bundle", joined, runtime.id()).trim().split("\n");
  for (const [index, file] of ["user", "net", "ipc", "uts", "pid"].entries())
    assert.equal(links[index]?.split(":")[1], `[${statSync(`/proc/${String(pid)}/ns/${file}`).ino}]`, file);
  assert.equal(links[6], "box");
  runtime.ok("delete", "-f", id);
});

test("a tmpfs that begins with what it covers; features; spec", { skip }, () => {
  const bundle = runtime.bundle((spec) => {
    runs(
      "sh",
      "-c",
      "cat /etc/passwd; touch /etc/new && df /etc | tail -1 | cut -d' ' -f1; ls -ld /etc | cut -c1-10",
    )(spec);
    spec.mounts?.push({ destination: "/etc", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup", "size=1m"] });
  });
  assert.equal(
    runtime.ok("run", "--bundle", bundle, runtime.id()),
    "root:x:0:0:root:/root:/bin/sh\ntmpfs\ndrwxr-xr-x\n",
  );
  assert.ok(!existsSync(join(runtime.directory, "rootfs/etc/new")));
  const features = JSON.parse(runtime.ok("features")) as { hooks: string[]; linux: { namespaces: string[] } };
  assert.equal(features.hooks.length, 6);
  assert.deepEqual(features.linux.namespaces, ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"]);
  const made = join(runtime.directory, "made");
  mkdirSync(made);
  runtime.ok("spec", "--bundle", made);
  assert.equal((JSON.parse(readFileSync(join(made, "config.json"), "utf8")) as OciSpec).ociVersion, "1.2.0");
  assert.match(runtime.run("spec", "--bundle", made).stderr, /File config\.json exists/);
});

test(
  "a seccomp listener gets the process's state and what answers; without an answer there is none",
  { skip },
  async () => {
    const path = join(runtime.directory, "seccomp.sock");
    const server = createServer().listen(path);
    await once(server, "listening");
    const bundle = runtime.bundle((spec) => {
      runs("sh", "-c", "mkdir /tmp/made || echo refused")(spec);
      Object.assign(spec.linux ?? {}, {
        seccomp: {
          defaultAction: "SCMP_ACT_ALLOW",
          listenerPath: path,
          listenerMetadata: "about me",
          syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_NOTIFY" }],
        },
      });
    });
    const id = runtime.id();
    const child = runtime.spawn("run", "--bundle", bundle, id);
    const output: Buffer[] = [];
    child.stdout?.on("data", (chunk: Buffer) => output.push(chunk));
    const exited = once(child, "exit");
    const [socket] = (await once(server, "connection")) as [Socket];
    // Node lets go of the descriptor that comes with it: the kernel then says that there is no such call.
    const [bytes] = (await once(socket, "data")) as [Buffer];
    const told = JSON.parse(bytes.toString()) as Record<string, unknown> & { state: Record<string, unknown> };
    assert.deepEqual([told["fds"], told["metadata"], told.state["id"]], [["seccompFd"], "about me", id]);
    assert.equal(typeof told["pid"], "number");
    assert.deepEqual(await exited, [0, null]);
    assert.equal(Buffer.concat(output).toString(), "refused\n");
    socket.destroy();
    server.close();
  },
);

test("capabilities that cannot be granted are a warning", { skip }, () => {
  const names = [...CAPABILITY_NAMES, "CAP_OF_A_LATER_KERNEL"];
  const bundle = runtime.bundle((spec) => {
    runs("grep", "CapEff", "/proc/self/status")(spec);
    Object.assign(spec.process ?? {}, { capabilities: { bounding: names, effective: names, permitted: names } });
  });
  const { code, stdout, stderr } = runtime.run("run", "--bundle", bundle, runtime.id());
  assert.equal(code, 0, stderr);
  assert.match(stderr, /level=warning msg="ignoring unknown or unavailable capabilities: \[.*CAP_OF_A_LATER_KERNEL/);
  assert.equal(stdout, /^CapEff:.*\n/m.exec(readFileSync("/proc/self/status", "utf8"))?.[0]);
});
