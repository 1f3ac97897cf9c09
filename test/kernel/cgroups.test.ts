import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { capabilityWarnings, cgroupCapabilities } from "#linux/cgroup-capabilities.ts";
import { cgroupLayout, createCgroup, openCgroup, type Cgroup } from "#linux/cgroups.ts";
import { deviceProgramIds, loadDeviceProgram } from "../../src/linux/syscalls/bpf.ts";
import { deviceFilter } from "../../src/linux/cgroups/device-filter.ts";
import { close } from "#linux/syscalls.ts";

const skip = process.getuid?.() === 0 ? false : "needs root";
const layout = cgroupLayout();
let counter = 0;

async function withCgroup(run: (cgroup: Cgroup) => Promise<void> | void, resources = {}): Promise<void> {
  const parent = `/gantry-test-${process.pid}-${counter++}`;
  const cgroup = createCgroup(`${parent}/inner`, resources);
  try {
    await run(cgroup);
  } finally {
    await cgroup.kill();
    await openCgroup(parent).remove();
  }
}

function read(cgroup: Cgroup, controller: string, file: string): string {
  return readFileSync(join(cgroup.directory(controller) ?? "", file), "utf8").trim();
}

const limitsV1 = async (): Promise<void> => {
  const resources = {
    memory: { limit: 64 << 20, swap: 128 << 20, reservation: 32 << 20, swappiness: 10 },
    cpu: { shares: 512, period: 50_000, quota: 25_000, cpus: "0", mems: "0" },
    pids: { limit: 7 },
    devices: [
      { allow: false, access: "rwm" },
      { allow: true, type: "c", major: 1, minor: 3, access: "rwm" },
    ],
  } as const;
  await withCgroup((cgroup) => {
    cgroup.apply({ ...resources, devices: [...resources.devices] });
    assert.equal(read(cgroup, "memory", "memory.limit_in_bytes"), String(64 << 20));
    assert.equal(read(cgroup, "memory", "memory.memsw.limit_in_bytes"), String(128 << 20));
    assert.equal(read(cgroup, "memory", "memory.soft_limit_in_bytes"), String(32 << 20));
    assert.equal(read(cgroup, "memory", "memory.swappiness"), "10");
    assert.equal(read(cgroup, "cpu", "cpu.shares"), "512");
    assert.equal(read(cgroup, "cpu", "cpu.cfs_quota_us"), "25000");
    assert.equal(read(cgroup, "cpu", "cpu.cfs_period_us"), "50000");
    assert.equal(read(cgroup, "cpuset", "cpuset.cpus"), "0");
    assert.equal(read(cgroup, "pids", "pids.max"), "7");
    assert.equal(read(cgroup, "devices", "devices.list"), "c 1:3 rwm");
    // Up, then down: each way the pair must be written in another order.
    cgroup.apply({ memory: { limit: 256 << 20, swap: 512 << 20 } });
    assert.equal(read(cgroup, "memory", "memory.memsw.limit_in_bytes"), String(512 << 20));
    cgroup.apply({ memory: { limit: 16 << 20, swap: 16 << 20 } });
    assert.equal(read(cgroup, "memory", "memory.memsw.limit_in_bytes"), String(16 << 20));
    cgroup.apply({ memory: { limit: -1 } });
    assert.ok(BigInt(read(cgroup, "memory", "memory.memsw.limit_in_bytes")) > 2n ** 62n);
    const stats = cgroup.stats();
    assert.equal(stats.pids.limit, 7);
    assert.equal(stats.memory.limitBytes, Number.POSITIVE_INFINITY);
  });
};

const limitsV2 = async (): Promise<void> => {
  await withCgroup((cgroup) => {
    const directory = "memory";
    cgroup.apply({
      memory: { limit: 64 << 20, swap: 96 << 20, reservation: 32 << 20, swappiness: 10 },
      cpu: { shares: 1024, period: 50_000, quota: 25_000, cpus: "0" },
      pids: { limit: 7 },
      unified: { "memory.high": "50M" },
    });
    const expected = {
      "memory.max": 64 << 20,
      "memory.swap.max": 32 << 20,
      "memory.low": 32 << 20,
      "memory.high": 50 << 20,
      "cpu.weight": 100,
      "cpu.max": "25000 50000",
      "cpuset.cpus": "0",
      "pids.max": 7,
    };
    for (const [file, value] of Object.entries(expected))
      assert.equal(read(cgroup, directory, file), String(value), file);
    cgroup.apply({ memory: { limit: 128 << 20, swap: -1 }, cpu: { quota: -1, period: 100_000 } });
    assert.equal(read(cgroup, directory, "memory.swap.max"), "max");
    assert.equal(read(cgroup, directory, "cpu.max"), "max 100000");
    assert.equal(cgroup.stats().memory.limitBytes, 128 << 20);
    assert.equal(cgroup.stats().pids.limit, 7);
    assert.throws(() => cgroup.apply({ memory: { disableOOMKiller: true } }), /version 1/);
    // A second set of rules replaces the first.
    for (const major of [1, 5]) cgroup.apply({ devices: [{ allow: false }, { allow: true, type: "c", major }] });
    const fd = openSync(cgroup.directory("devices") ?? "", "r");
    assert.equal(deviceProgramIds(fd).length, 1);
    closeSync(fd);
  });
};

test("limits land in the kernel's files", { skip }, layout.mode === "v2" ? limitsV2 : limitsV1);

test("a refused limit throws, names itself, and leaves no cgroup behind", { skip }, async () => {
  const path = `/gantry-test-${process.pid}-refused`;
  assert.throws(() => createCgroup(path, { cpu: { cpus: "4096" } }), /cpuset\.cpus/);
  assert.ok(openCgroup(path).procsFiles.every((file) => !existsSync(file)));
});

test("freezing stops, thawing goes on, killing ends, removing leaves nothing", { skip }, async () => {
  await withCgroup(async (cgroup) => {
    // Joins from a shell, which then becomes the process.
    const join = cgroup.procsFiles.map((file) => `echo $$ > ${file};`).join(" ");
    const child = spawn("/bin/sh", ["-c", `${join} exec sleep 1000`], { stdio: ["ignore", "pipe", "inherit"] });
    const exited = new Promise<string | null>((resolve) => child.once("exit", (_code, signal) => resolve(signal)));
    while (!cgroup.pids().includes(child.pid ?? -1)) await new Promise((resolve) => setTimeout(resolve, 5));
    await cgroup.freeze();
    assert.match(readFileSync(`/proc/${child.pid}/status`, "utf8"), /State:\s+[DST]/);
    await cgroup.kill();
    assert.equal(await exited, "SIGKILL");
    assert.deepEqual(cgroup.pids(), []);
  });
});

test("the kernel's verifier takes the device program", { skip }, () => {
  const rules = [
    { allow: false, type: "a", major: undefined, minor: undefined, access: "rwm" },
    { allow: true, type: "c", major: 1, minor: undefined, access: "rw" },
    { allow: false, type: "b", major: 8, minor: 4_000_000_000, access: "m" },
  ] as const;
  close(loadDeviceProgram(deviceFilter(rules)));
});

test("capabilities and their warnings agree", { skip }, () => {
  const capabilities = cgroupCapabilities();
  assert.equal(
    capabilities.memoryLimit,
    layout.mode === "v2" || existsSync("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
  );
  const warnings = capabilityWarnings({ ...capabilities, swapLimit: false, memoryLimit: true });
  assert.ok(warnings.includes("WARNING: No swap limit support"));
  assert.ok(!warnings.includes("WARNING: No memory limit support"));
});
