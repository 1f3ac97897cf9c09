// Restart policies, and containers that outlive their engine: closed, killed in the middle, or with a shim that is gone.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { after, before, describe, test } from "node:test";
import type { ContainerConfig } from "#containers/engine.ts";
import { startEngine, type TestEngine } from "#test/engine.ts";
import { enterFreshHost } from "#test/isolated-network.ts";

let t: TestEngine;
before(async () => {
  await enterFreshHost();
  t = await startEngine();
});
after(() => t.end());

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let check = 0; check < 800; check++) {
    if (holds()) return;
    await delay(25);
  }
  assert.fail(`${what}: not within twenty seconds`);
}

const exec = { env: [], privileged: false, terminal: false, stdin: false, stdout: true, stderr: true };
const statusOf = (id: string): string => t.engine.get(id).state.status;
const actionsOf = (id: string): string[] =>
  t.events.filter(({ actorId }) => actorId === id).map(({ action }) => action);

describe("restart policies", () => {
  test("on-failure: as often as it says, counted, with growing delays", async () => {
    const { id } = await t.run(["sh", "-c", "echo run; exit 3"], {
      restartPolicy: { kind: "on-failure", maximumRetries: 2 },
    });
    await until("three runs", () => actionsOf(id).filter((action) => action === "die").length === 3);
    await until("exited", () => statusOf(id) === "exited");
    const container = t.engine.get(id);
    assert.equal(container.restartCount, 2);
    assert.equal(container.state.status === "exited" && container.state.exit.code, 3);
    assert.equal(await t.log(id), "run\nrun\nrun\n");
    const starts = t.events.filter(({ actorId, action }) => actorId === id && action === "start");
    const gap = (at: number): number => Number((starts[at]?.timeNanos ?? 0n) - (starts[at - 1]?.timeNanos ?? 0n)) / 1e6;
    assert.ok(gap(1) >= 100 && gap(2) >= 200, `gaps ${gap(1)} ${gap(2)}`);
    await t.engine.start(id);
    await until("counted anew", () => t.engine.get(id).restartCount === 1);
    await t.engine.remove(id, { force: true });
  });

  test("always: comes back, until it is stopped by hand, also while it waits", async () => {
    const { id } = await t.run(["sh", "-c", "exit 0"], { restartPolicy: { kind: "always" } });
    await until("restarting", () => statusOf(id) === "restarting" && t.engine.get(id).restartCount >= 2);
    await assert.rejects(
      t.engine.remove(id),
      /container is restarting: stop the container before removing or force remove/,
    );
    await t.engine.stop(id);
    assert.equal(statusOf(id), "exited");
    await delay(600);
    assert.equal(statusOf(id), "exited");
    await t.engine.remove(id);
  });

  test("a running container that is stopped stays down, one that is killed by itself comes back", async () => {
    const { id } = await t.run(["sleep", "1000"], { restartPolicy: { kind: "unless-stopped" } });
    const { state } = t.engine.get(id);
    assert.ok("pid" in state);
    process.kill(state.pid, "SIGKILL");
    await until("a new process", () => {
      const now = t.engine.get(id).state;
      return now.status === "running" && now.pid !== state.pid;
    });
    await t.engine.stop(id, { timeoutSeconds: 0 });
    await delay(300);
    assert.equal(statusOf(id), "exited");
    await t.engine.remove(id);
  });
});

describe("an engine that is opened again", () => {
  test("finds what runs, what has ended, what waits, and starts what its policy says", async () => {
    const running = await t.run(["sh", "-c", "echo before; sleep 1000"], { name: "running" });
    const paused = await t.run(["sleep", "1000"]);
    await t.engine.pause(paused.id);
    const ended = await t.run(["sh", "-c", "exit 9"]);
    await t.engine.wait(ended.id, "not-running");
    const created = await t.engine.create(t.config(["true"]));
    // An exec that outlives its engine ends with its container, and its shim with it.
    const outliving = await t.engine.createExec(running.id, { ...exec, args: ["sleep", "1000"] });
    await t.engine.startExec(outliving.id, { detach: true });
    const stopped = { always: "", "unless-stopped": "" };
    for (const kind of ["always", "unless-stopped"] as const) {
      stopped[kind] = (await t.run(["sleep", "1000"], { restartPolicy: { kind } })).id;
      await t.engine.stop(stopped[kind], { timeoutSeconds: 0 });
    }
    await t.reopen();
    assert.deepEqual(t.engine.get(running.id).state, running.state);
    assert.equal(t.engine.get("running").id, running.id);
    assert.equal(statusOf(paused.id), "paused");
    assert.equal(statusOf(created.id), "created");
    const { state } = t.engine.get(ended.id);
    assert.equal(state.status === "exited" && state.exit.code, 9);
    await until("always is back", () => statusOf(stopped.always) === "running");
    assert.equal(statusOf(stopped["unless-stopped"]), "exited");
    await t.engine.unpause(paused.id);
    assert.deepEqual(t.engine.exec(outliving.id).config.args, ["sleep", "1000"], "an exec goes on being known");
    assert.equal(t.engine.exec(outliving.id).state.status, "running");
    const { id: execId } = await t.engine.createExec(running.id, { ...exec, args: ["sh", "-c", "exit 4"] });
    await t.engine.startExec(execId, { detach: true });
    assert.equal(await t.engine.waitExec(execId), 4);
    for (const { id } of t.engine.list()) await t.engine.remove(id, { force: true });
  });

  test("stopAll stops everything, and nothing counts as stopped by hand", async () => {
    const plain = await t.run(["sleep", "1000"], { stopTimeoutSeconds: 0 });
    const policy = await t.run(["sleep", "1000"], { stopTimeoutSeconds: 0, restartPolicy: { kind: "unless-stopped" } });
    await t.engine.stopAll();
    // Nobody would remove its cgroup after the daemon's end.
    const { cgroupParent } = t.engine.get(plain.id).config;
    for (const hierarchy of readdirSync("/sys/fs/cgroup"))
      assert.ok(!existsSync(join("/sys/fs/cgroup", hierarchy, cgroupParent, plain.id)), hierarchy);
    assert.deepEqual([statusOf(plain.id), statusOf(policy.id)], ["exited", "exited"]);
    await t.reopen();
    await until("back by its policy", () => statusOf(policy.id) === "running");
    assert.equal(statusOf(plain.id), "exited");
    for (const { id } of t.engine.list()) await t.engine.remove(id, { force: true });
  });

  test("finishes removals and undoes creations that were cut short", async () => {
    const doomed = await t.engine.create(
      t.config(["true"], {
        mounts: [{ kind: "volume", name: undefined, target: "/v", readonly: false, copyUp: true }],
      }),
    );
    const directory = join(t.root, "data/containers");
    const state = { sequence: 9, state: { status: "removing", volumes: true, startedAt: 0 }, restartCount: 0 };
    const { crc32 } = await import("node:zlib");
    const json = JSON.stringify({ ...state, lastDelayMs: 0, stopped: false });
    writeFileSync(
      join(directory, doomed.id, "state"),
      Buffer.concat([Buffer.alloc(4096), Buffer.from(`${crc32(json)} ${json}\n`)]),
    );
    const unfinished = "f".repeat(64);
    mkdirSync(join(directory, unfinished));
    await t.images.createSnapshot(unfinished, t.images.get("busybox").id);
    const orphan = "e".repeat(64);
    await t.images.createSnapshot(orphan, t.images.get("busybox").id);
    await t.reopen();
    assert.deepEqual(t.engine.list(), []);
    assert.deepEqual(t.engine.volumes.list(), []);
    assert.deepEqual(t.images.snapshots(), []);
    // What removals leave of files goes in time, and at the latest when the engine opens again.
    mkdirSync(join(directory, `removed-${"d".repeat(64)}`));
    await t.reopen();
    assert.deepEqual(readdirSync(directory), []);
  });

  test("a record that cannot be read is left alone", async () => {
    const { id } = await t.engine.create(t.config(["true"], { name: "unreadable" }));
    const path = join(t.root, "data/containers", id, "config.json");
    const sound = readFileSync(path, "utf8");
    writeFileSync(path, sound.slice(0, 50));
    await t.reopen();
    assert.equal(t.engine.find("unreadable"), undefined);
    assert.ok(existsSync(path) && t.images.snapshot(id), "nothing of it is touched");
    writeFileSync(path, sound);
    await t.reopen();
    await t.engine.start(id);
    await t.engine.wait(id, "not-running");
    await t.engine.remove(id);
  });
});

/** Containers made by an engine that is then killed with SIGKILL. */
async function killedEngine(configs: ContainerConfig[]): Promise<string[]> {
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, "../support/engine-child.ts"), t.root, JSON.stringify(configs)],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
  return JSON.parse(line.toString()) as string[];
}

describe("an engine that was killed", () => {
  test("containers run on; their logs and exits are complete when they are taken up", async () => {
    await t.suspend();
    const counting = "i=0; while [ $i -lt 20 ]; do echo line $i; i=$((i+1)); sleep 0.02; done; exit 5";
    const [ended = "", running = "", restarts = "", removes = ""] = await killedEngine([
      t.config(["sh", "-c", counting]),
      t.config(["sh", "-c", "trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done"]),
      t.config(["sh", "-c", "sleep 0.3; exit 1"], { restartPolicy: { kind: "always" } }),
      t.config(["sh", "-c", "sleep 0.3"], { autoRemove: true }),
    ]);
    const told = (id: string): boolean => existsSync(join(t.root, "run/shims", id, "init.exit"));
    await until("three exits on disk", () => [ended, restarts, removes].every(told));
    await t.reopen();
    const { state } = t.engine.get(ended);
    assert.equal(state.status === "exited" && state.exit.code, 5);
    assert.ok(state.status === "exited" && state.exit.at - state.startedAt >= 400, "the exit's own time");
    assert.equal(await t.log(ended), Array.from({ length: 20 }, (_, at) => `line ${at}\n`).join(""));
    assert.equal(statusOf(running), "running");
    await t.engine.stop(running);
    assert.equal(await t.log(running), "bye\n");
    await until("restarted", () => t.engine.get(restarts).restartCount >= 1);
    await until("removed", () => t.engine.find(removes) === undefined);
    for (const { id } of t.engine.list()) await t.engine.remove(id, { force: true });
  });

  test("a shim that is gone: what it left is killed, and the container has ended with 137", async () => {
    const { id } = await t.run(["sh", "-c", "sleep 1000 & sleep 1000"]);
    const shim = readdirSync("/proc").find((pid) => /^\d+$/.test(pid) && isShimOf(pid, id));
    assert.ok(shim);
    const [pid] = await t.engine.processes(id);
    process.kill(Number(shim), "SIGKILL");
    await until("ended", () => statusOf(id) === "exited");
    const { state } = t.engine.get(id);
    assert.equal(state.status === "exited" && state.exit.code, 137);
    await until(
      "killed",
      () => !existsSync(`/proc/${pid}`) || /State:\s+Z/.test(readFileSync(`/proc/${pid}/status`, "utf8")),
    );
    await t.engine.start(id);
    assert.equal(statusOf(id), "running");
    await t.engine.remove(id, { force: true });
  });
});

function isShimOf(pid: string, id: string): boolean {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
    return command.startsWith("gantry-shim") && command.includes(id);
  } catch {
    return false;
  }
}
