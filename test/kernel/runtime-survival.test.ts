import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { isGantryError } from "#base/errors.ts";
import type { Step } from "#linux/launch-plan.ts";
import { connectShim, recordedExits, startShim, type ShimEvent } from "#linux/shim.ts";
import { kill } from "#linux/syscalls.ts";
import { skipRuntime, until, withContainer } from "../support/runtime.ts";

const skip = skipRuntime ?? false;

/** A process of the host's, made by the shortest plan there is: what is tested here is the shim, not the container. */
const shell = (script: string): Step[] => [
  { step: "clone", namespaces: 0 },
  { step: "exec", arguments: ["/bin/busybox", "sh", "-c", script], environment: ["PATH=/bin"] },
];

interface Daemon {
  readonly child: ChildProcess;
  readonly shimPid: number;
  die(): Promise<void>;
}

async function daemon(directory: string, steps: readonly Step[], log: string): Promise<Daemon> {
  const planFile = join(directory, "plan.json");
  writeFileSync(
    planFile,
    JSON.stringify({ steps, io: { stdin: "none", log: { path: log, maxBytes: 0, maxFiles: 1 } } }),
  );
  const program = new URL("../support/shim-daemon.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, [program, join(directory, "shim"), planFile], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const line = await new Promise<string>((resolve) =>
    child.stdout.once("data", (chunk: Buffer) => resolve(String(chunk))),
  );
  return {
    child,
    shimPid: Number(line),
    die() {
      child.kill("SIGKILL");
      return exited;
    },
  };
}

async function withDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "gantry-survival-"));
  mkdirSync(join(directory, "shim"), { mode: 0o700 });
  try {
    await body(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}/exe`) || /\nState:\s+[^Z]/.test(statusOf(pid));
function statusOf(pid: number): string {
  return existsSync(`/proc/${pid}/status`) ? readFileSync(`/proc/${pid}/status`, "utf8") : "";
}

test("a killed daemon loses nothing: log, exit, and process are there when one connects again", { skip }, async () => {
  await withDirectory(async (directory) => {
    const log = join(directory, "log");
    const lines = "i=0; while [ $i -lt 50 ]; do echo $i; i=$((i+1)); sleep 0.01; done; exit 5";
    const first = await daemon(directory, shell(lines), log);
    await delay(100);
    await first.die();
    assert.ok(isAlive(first.shimPid));
    const shim = await connectShim(join(directory, "shim"));
    assert.equal(shim.pid, first.shimPid);
    const [running] = await shim.processes();
    assert.equal(running?.state, "running");
    shim.disconnect();
    await until(() => existsSync(join(directory, "shim/init.exit")));
    const again = await connectShim(join(directory, "shim"));
    const exit = await new Promise<ShimEvent>((resolve) => again.events.on(resolve));
    assert.ok(exit.kind === "exit" && exit.exit.code === 5);
    assert.deepEqual(
      (await again.processes()).map(({ pid, state }) => [pid, state]),
      [[running.pid, "exited"]],
    );
    const logged = readFileSync(log, "utf8")
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { log: string }).log.trim());
    assert.deepEqual(
      logged,
      Array.from({ length: 50 }, (_, index) => String(index)),
    );
    assert.equal((await recordedExits(join(directory, "shim"))).get("init")?.code, 5);
    await again.acknowledge("init");
    await until(() => !isAlive(first.shimPid));
    assert.deepEqual(readdirSync(join(directory, "shim")), [], "socket and exit record are gone");
    await assert.rejects(connectShim(join(directory, "shim")), (error) => isGantryError(error, "not-found"));
  });
});

test("a shim whose daemon dies before the first plan ends itself", { skip }, async () => {
  await withDirectory(async (directory) => {
    const first = await daemon(directory, [], join(directory, "log"));
    assert.ok(isAlive(first.shimPid));
    await first.die();
    await until(() => !isAlive(first.shimPid));
  });
});

test(
  "a killed shim: the loss is told, then the exits that it had recorded; the process is left to be killed",
  { skip },
  async () => {
    await withContainer({ args: ["sleep", "100"] }, async ({ start, shim, cgroup, directory, spec, host, events }) => {
      await start();
      const { planExec } = await import("../../src/containers/launch.ts");
      assert.ok(spec.process);
      const plan = planExec({ ...spec.process, args: ["sh", "-c", "exit 4"] }, spec, host);
      await shim.spawn("short", plan, { stdin: "none" });
      await until(() => existsSync(join(directory, "shim/short.exit")));
      const pending = shim.attach("init", { stdin: false, stdout: true, stderr: true });
      await pending;
      kill(shim.pid, 9);
      await until(() => events.some(({ kind }) => kind === "lost") && events.at(-1)?.kind === "exit");
      const lost = events.findIndex(({ kind }) => kind === "lost");
      assert.deepEqual(
        events.slice(lost + 1).map((event) => event.kind === "exit" && [event.id, event.exit.code]),
        [["short", 4]],
      );
      await assert.rejects(shim.signal("init", 0), (error) => isGantryError(error, "unavailable"));
      assert.ok(cgroup.pids().length > 0);
      await cgroup.kill();
      assert.deepEqual(cgroup.pids(), []);
    });
  },
);

test("its files are for us alone, its descriptors do not reach the container", { skip }, async () => {
  await withContainer(
    { args: ["sh", "-c", "ls /proc/self/fd; echo; exec sleep 100"] },
    async ({ start, log, directory }) => {
      const { pid } = await start();
      await until(() => log().includes("\n\n"));
      // The listing itself has 3 open.
      assert.equal(log(), "0\n1\n2\n3\n\n");
      assert.deepEqual(readdirSync(`/proc/${pid}/fd`), ["0", "1", "2"]);
      assert.equal(statSync(join(directory, "shim/shim.sock")).mode & 0o777, 0o600);
    },
  );
});

test("ids that would be other files, and those that are taken, are refused", { skip }, async () => {
  await withDirectory(async (directory) => {
    const shim = await startShim(join(directory, "shim"));
    const plan = { steps: shell("sleep 100") };
    for (const id of ["../x", "", ".x", "a/b", "x".repeat(200)]) {
      await assert.rejects(shim.spawn(id, plan, { stdin: "none" }), /invalid process id/);
    }
    await shim.spawn("one", plan, { stdin: "none" });
    await assert.rejects(shim.spawn("one", plan, { stdin: "none" }), /process one exists/);
    await assert.rejects(shim.resume("one"), /is not waiting/);
    await assert.rejects(shim.resize("one", 1, 1), /has no terminal/);
    await assert.rejects(shim.attach("two", { stdin: false, stdout: true, stderr: false }), (error) =>
      isGantryError(error, "not-found"),
    );
    const exit = new Promise<ShimEvent>((resolve) => shim.events.on(resolve));
    await shim.signal("one", 15);
    assert.deepEqual({ ...(await exit), exit: 0 }, { kind: "exit", id: "one", exit: 0 });
    await shim.acknowledge("one");
    await until(() => !isAlive(shim.pid));
  });
});

test("a process that is given up while it runs is forgotten when it ends", { skip }, async () => {
  await withDirectory(async (directory) => {
    const shim = await startShim(join(directory, "shim"));
    await shim.spawn("one", { steps: shell("sleep 100") }, { stdin: "none" });
    await shim.acknowledge("one");
    assert.equal((await shim.processes()).length, 1);
    await shim.signal("one", 9);
    shim.disconnect();
    await until(() => !isAlive(shim.pid));
    assert.deepEqual(readdirSync(join(directory, "shim")), []);
  });
});

test("a shim whose directory is removed keeps nothing for ever", { skip }, async () => {
  await withDirectory(async (directory) => {
    const shim = await startShim(join(directory, "shim"));
    const { pid } = await shim.spawn("one", { steps: shell("sleep 100") }, { stdin: "none" });
    shim.disconnect();
    rmSync(join(directory, "shim"), { recursive: true });
    await delay(50);
    assert.ok(isAlive(shim.pid), "not while something runs");
    kill(pid, 9);
    await until(() => !isAlive(shim.pid));
  });
  // After its last process has ended only the kernel's notice can wake it.
  await withDirectory(async (directory) => {
    const shim = await startShim(join(directory, "shim"));
    await shim.spawn("one", { steps: shell("exit 3") }, { stdin: "none" });
    await until(() => existsSync(join(directory, "shim/one.exit")));
    shim.disconnect();
    await delay(50);
    assert.ok(isAlive(shim.pid), "not while someone may want the exit");
    rmSync(join(directory, "shim"), { recursive: true });
    await until(() => !isAlive(shim.pid));
  });
});

test("a broken plan is refused, and the shim lives on", { skip }, async () => {
  await withDirectory(async (directory) => {
    const shim = await startShim(join(directory, "shim"));
    const clone = { step: "clone", namespaces: 0 } as const;
    await assert.rejects(shim.spawn("a", { steps: [] }, { stdin: "none" }), /the plan has no clone/);
    await assert.rejects(shim.spawn("b", { steps: [clone] }, { stdin: "none" }), /the plan ends without exec/);
    await assert.rejects(shim.spawn("c", { steps: [{ step: "pause" }, clone] }, { stdin: "none" }), /out of place/);
    await assert.rejects(shim.spawn("d", { steps: [clone, clone] }, { stdin: "none" }), /a plan has one clone/);
    await assert.rejects(
      shim.spawn("e", { steps: [clone, { step: "hostname", name: "a\0b" }] }, { stdin: "none" }),
      /NUL/,
    );
    assert.deepEqual(await shim.processes(), []);
    shim.disconnect();
    await until(() => !isAlive(shim.pid));
  });
});
