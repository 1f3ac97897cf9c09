import assert from "node:assert/strict";
import { readFileSync, readlinkSync } from "node:fs";
import { test } from "node:test";
import { runContainer, skipRuntime, until, withContainer } from "../support/runtime.ts";

const skip = skipRuntime ?? false;

/** CAP_SYS_RESOURCE, which some machines keep from root. */
function mayLowerScores(): boolean {
  const effective = /CapEff:\s+(\w+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  return ((BigInt(`0x${effective}`) >> 24n) & 1n) === 1n;
}

test("a process in its own namespaces, with its root, host name, mounts and devices", { skip }, async () => {
  const script = [
    "hostname; id -u; echo pid $$; pwd",
    "ls /dev | sort | tr '\\n' ' '; echo",
    "ls -l /dev/null /dev/ptmx | cut -c1-10",
    "grep -vc ':/$' /proc/self/cgroup",
    "ip link | grep -c UP; ip addr show lo | grep -c 'inet 127.0.0.1'",
    "cat /proc/version | wc -c; ls /proc/tty | wc -l",
    "echo x > /proc/sys/kernel/hostname || echo ro; mount -t tmpfs x /tmp || echo denied",
    "echo hello > /file; cat /file; exit 7",
  ];
  const { output, exit } = await runContainer({
    args: ["sh", "-c", script.join("\n")],
    process: { cwd: "/made/here" },
    linux: { maskedPaths: ["/proc/version", "/proc/tty", "/proc/not/there"] },
  });
  const lines = output.split("\n");
  assert.deepEqual(lines.slice(0, 4), ["box", "0", "pid 1", "/made/here"]);
  assert.equal(lines[4]?.trim(), "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero");
  assert.deepEqual(lines.slice(5, 7), ["crw-rw-rw-", "lrwxrwxrwx"]);
  assert.equal(lines[7], "0", "no cgroup but the root is seen");
  assert.deepEqual(lines.slice(8, 10), ["1", "1"], "lo, and only lo, is up");
  assert.deepEqual(lines.slice(10, 12), ["0", "0"], "masked paths are empty");
  assert.match(output, /Read-only file system\nro\n/);
  assert.match(output, /denied\nhello\n$/);
  assert.deepEqual({ ...exit, at: 0 }, { code: 7, oomKilled: false, at: 0 });
});

test("the host sees the namespaces, the cgroup, no mount, and a parent that is the shim", { skip }, async () => {
  await withContainer({ args: ["sleep", "100"] }, async ({ start, shim, cgroup, exit, directory }) => {
    const { pid } = await start();
    for (const namespace of ["mnt", "pid", "net", "ipc", "uts", "cgroup"]) {
      assert.notEqual(
        readlinkSync(`/proc/${pid}/ns/${namespace}`),
        readlinkSync(`/proc/self/ns/${namespace}`),
        namespace,
      );
    }
    const groups = readFileSync(`/proc/${pid}/cgroup`, "utf8").trim().split("\n");
    assert.ok(
      groups.every((line) => line.endsWith(`:${cgroup.path}`)),
      groups.join(" "),
    );
    assert.match(readFileSync(`/proc/${pid}/status`, "utf8"), new RegExp(`PPid:\\s+${shim.pid}\n`));
    assert.ok(!readFileSync("/proc/self/mountinfo", "utf8").includes(directory), "nothing is mounted on the host");
    assert.equal(readFileSync(`/proc/${shim.pid}/oom_score_adj`, "utf8").trim(), mayLowerScores() ? "-998" : "0");
    assert.equal(readFileSync(`/proc/${pid}/oom_score_adj`, "utf8").trim(), "0");
    assert.ok(
      !readFileSync(`/proc/${shim.pid}/cgroup`, "utf8").includes(cgroup.path),
      "the shim is not in the container's cgroup",
    );
    assert.equal(await shim.signal("init", 9), true);
    assert.deepEqual({ ...(await exit()), at: 0 }, { code: 137, signal: 9, oomKilled: false, at: 0 });
    assert.equal(await shim.signal("init", 9), false);
  });
});

test("identity: user, groups, capabilities, limits, umask, no new privileges, seccomp", { skip }, async () => {
  const status =
    "grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp|Umask)' /proc/self/status; ulimit -n; unshare -m true || echo refused";
  const { output } = await runContainer({
    args: ["sh", "-c", status],
    process: {
      user: { uid: 1000, gid: 1001, additionalGids: [5, 7], umask: 0o027 },
      noNewPrivileges: true,
      rlimits: [{ type: "RLIMIT_NOFILE", soft: 123, hard: 456 }],
    },
  });
  assert.match(output, /Uid:\t1000\t1000\t1000\t1000\n/);
  assert.match(output, /Gid:\t1001\t1001\t1001\t1001\nGroups:\t5 7 \n/);
  assert.match(output, /CapInh:\t0{16}\nCapPrm:\t0{16}\nCapEff:\t0{16}\nCapBnd:\t00000000a80425fb\nCapAmb:\t0{16}\n/);
  assert.match(output, /Umask:\t0027\n/);
  assert.match(output, /NoNewPrivs:\t1\nSeccomp:\t2\n/);
  assert.match(output, /\n123\n/);
  assert.match(output, /refused\n$/);
});

test("a program that cannot be executed: the step, the error number, and no exit", { skip }, async () => {
  const failure = async (args: readonly string[]): Promise<unknown> => {
    let details: unknown;
    await withContainer({ args, prepare: () => undefined }, async ({ start, events }) => {
      await start().then(
        () => assert.fail("it started"),
        (error: { details: unknown }) => (details = error.details),
      );
      assert.deepEqual(events, []);
    });
    return details;
  };
  const named = (details: unknown): unknown => {
    const { step, code, text } = details as Record<string, unknown>;
    return { step, code, text };
  };
  assert.deepEqual(named(await failure(["nope"])), {
    step: "exec",
    code: "ENOENT",
    text: "executable file not found in $PATH",
  });
  assert.deepEqual(named(await failure(["/nope"])), { step: "exec", code: "ENOENT", text: "/nope" });
  assert.deepEqual(named(await failure(["/etc/passwd"])), { step: "exec", code: "EACCES", text: "/etc/passwd" });
  assert.deepEqual(named(await failure(["/etc"])), { step: "exec", code: "EISDIR", text: "/etc" });
});

test("a read-only root, binds of directories and files, subpaths, tmpfs, sysctls", { skip }, async () => {
  const script =
    "touch /x || echo ro; cat /data/f /sub/g /single; touch /data/y || echo ro; echo new > /sub/h; df /t | tail -1 | awk '{print $2}'; cat /proc/sys/net/ipv4/ip_unprivileged_port_start";
  await withContainer(
    {
      args: ["sh", "-c", script],
      spec: { root: { path: "/", readonly: true } },
      linux: { sysctl: { "net.ipv4.ip_unprivileged_port_start": "42" } },
      host: { subpaths: new Map([["/sub", "deep/link"]]) },
      root: "overlay",
    },
    async (container) => {
      const { directory, spec, start, exit, log } = container;
      const { mkdirSync, writeFileSync, symlinkSync } = await import("node:fs");
      mkdirSync(`${directory}/volume/deep/real`, { recursive: true });
      writeFileSync(`${directory}/volume/f`, "f\n");
      writeFileSync(`${directory}/volume/deep/real/g`, "g\n");
      symlinkSync("/deep/real", `${directory}/volume/deep/link`);
      spec.mounts?.push(
        { destination: "/data", type: "bind", source: `${directory}/volume`, options: ["rbind", "rro", "rprivate"] },
        { destination: "/sub", type: "bind", source: `${directory}/volume`, options: ["bind"] },
        { destination: "/single", type: "bind", source: `${directory}/volume/f`, options: ["bind", "ro"] },
        { destination: "/t", type: "tmpfs", source: "tmpfs", options: ["size=1m", "nosuid"] },
      );
      await start();
      assert.equal((await exit()).code, 0);
      assert.equal(log().replace(/^touch.*\n/gm, ""), "ro\nf\ng\nf\nro\n1024\n42\n");
      assert.equal(readFileSync(`${directory}/volume/deep/real/h`, "utf8"), "new\n");
    },
  );
});

test("over its memory limit it is killed, and says so; pids and CPUs are limited", { skip }, async () => {
  const swap = 24 << 20;
  await withContainer(
    {
      args: ["sh", "-c", "head -c 60m /dev/zero | tail"],
      linux: { resources: { memory: { limit: swap, swap }, pids: { limit: 20 }, cpu: { cpus: "0" } } },
    },
    async ({ start, exit, events, cgroup }) => {
      await start();
      const { oomKilled } = await exit();
      assert.equal(oomKilled, true);
      assert.ok(events.some(({ kind }) => kind === "oom"));
      assert.equal(cgroup.stats().pids.limit, 20);
    },
  );
});

test("an init reaps and passes signals on; a sandbox stays until it is told to end", { skip }, async () => {
  const trap = "trap 'echo got; exit 3' TERM; (sleep 0.05 &) ; echo ready; while :; do sleep 0.05; done";
  await withContainer({ args: ["sh", "-c", trap], host: { init: true } }, async ({ start, exit, shim, log }) => {
    const { pid } = await start();
    await until(() => log().includes("ready"));
    assert.equal(readFileSync(`/proc/${pid}/comm`, "utf8"), "init\n");
    await shim.signal("init", 15);
    assert.equal((await exit()).code, 3);
    assert.equal(log(), "ready\ngot\n");
  });
  const { root: _root, ...bare } = { root: undefined };
  await withContainer(
    { args: [], spec: { root: { path: "" } }, root: "bind", host: { sandbox: true, ...bare } },
    async ({ start, exit, shim }) => {
      const { pid, state } = await start();
      assert.equal(state, "running");
      assert.equal(readFileSync(`/proc/${pid}/comm`, "utf8"), "pause\n");
      assert.equal(readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", ""), "pause");
      assert.deepEqual(readFileSync(`/proc/${pid}/mountinfo`, "utf8").trim().split("\n").length, 1);
      await shim.signal("init", 15);
      assert.equal((await exit()).code, 0);
    },
  );
});

test("notify and pause: namespaces are there before the process runs", { skip }, async () => {
  await withContainer(
    { args: ["sh", "-c", "echo ran"], host: { pause: "notify" } },
    async ({ start, shim, exit, events, log }) => {
      const { pid, state } = await start();
      assert.equal(state, "paused");
      assert.deepEqual(events, [{ kind: "notify", id: "init", pid, tag: "namespaces" }]);
      assert.deepEqual(
        (await shim.processes()).map((process) => [process.id, process.pid, process.state]),
        [["init", pid, "paused"]],
      );
      await shim.resume("init");
      assert.equal((await exit()).code, 0);
      assert.equal(log(), "ran\n");
    },
  );
});
