import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { applyV2, cpuWeight, swapMax } from "./apply-v2.ts";
import { deviceFilter } from "./device-filter.ts";
import { normalizeDeviceRules } from "./devices.ts";
import { blockIoV2, parseBlockIoV1 } from "./stats.ts";

test("shares become weights: least, default and most meet", () => {
  assert.deepEqual([1, 2, 1024, 262_144, 300_000].map(cpuWeight), [1, 1, 100, 10_000, 10_000]);
});

test("memory plus swap becomes swap alone", () => {
  assert.equal(swapMax(100, 300), 200);
  assert.equal(swapMax(100, 100), 0);
  assert.equal(swapMax(100, 0), undefined);
  assert.equal(swapMax(100, -1), "max");
  assert.equal(swapMax(-1, 0), "max");
  assert.throws(() => swapMax(300, 100), /memory\+swap limit should be >= memory limit/);
  assert.throws(() => swapMax(0, 100), /without memory limit/);
});

test("a limit below what is in use is refused when that is asked for; reservations of huge pages are limited too", () => {
  const directory = mkdtempSync(join(tmpdir(), "gantry-cgroup-"));
  const files = {
    "memory.current": "100",
    "memory.max": "max",
    "hugetlb.2MB.max": "max",
    "hugetlb.2MB.rsvd.max": "max",
  };
  for (const [name, value] of Object.entries(files)) writeFileSync(join(directory, name), value);
  const read = (name: string): string => readFileSync(join(directory, name), "utf8");
  try {
    assert.throws(
      () => applyV2({ memory: { limit: 50, checkBeforeUpdate: true } }, directory),
      /memory limit 50 is below the 100 bytes in use/,
    );
    assert.equal(read("memory.max"), "max");
    applyV2({ memory: { limit: 200, checkBeforeUpdate: true } }, directory);
    assert.equal(read("memory.max"), "200");
    applyV2({ hugepageLimits: [{ pageSize: "2MB", limit: 4096 }] }, directory);
    assert.deepEqual([read("hugetlb.2MB.max"), read("hugetlb.2MB.rsvd.max")], ["4096", "4096"]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test("block I/O counts of both versions", () => {
  assert.deepEqual(parseBlockIoV1("8:0 Read 4096\n8:0 Total 4096\nTotal 4096\n"), [
    { major: 8, minor: 0, op: "Read", value: 4096 },
    { major: 8, minor: 0, op: "Total", value: 4096 },
  ]);
  assert.deepEqual(blockIoV2("254:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n"), [
    { major: 254, minor: 0, op: "Read", value: 1 },
    { major: 254, minor: 0, op: "Write", value: 2 },
  ]);
});

/** Runs the program as the kernel does: the instructions it is made of, and no others. */
function run(program: Buffer, type: "b" | "c", access: number, major: number, minor: number): boolean {
  const context = [((access << 16) | (type === "b" ? 1 : 2)) >>> 0, major, minor];
  const r = Array.from({ length: 11 }, () => 0);
  const set = (register: number, value: number): void => void (r[register] = value >>> 0);
  for (let at = 0; at * 8 < program.length; at++) {
    const [op, registers] = [program.readUInt8(at * 8), program.readUInt8(at * 8 + 1)];
    const [dst, src] = [registers & 15, registers >> 4];
    const [offset, imm] = [program.readInt16LE(at * 8 + 2), program.readUInt32LE(at * 8 + 4)];
    const value = r[dst] ?? 0;
    if (op === 0x61) set(dst, context[offset / 4] ?? 0);
    else if (op === 0x54) set(dst, value & imm);
    else if (op === 0x74) set(dst, value >>> imm);
    else if (op === 0xb4) set(dst, imm);
    else if (op === 0xbc) set(dst, r[src] ?? 0);
    else if (op === 0x55) at += value !== imm ? offset : 0;
    else if (op === 0x5d) at += value !== r[src] ? offset : 0;
    else if (op === 0x15) at += value === imm ? offset : 0;
    else if (op === 0x95) return r[0] === 1;
    else assert.fail(`instruction ${op}`);
  }
  return assert.fail("the program runs off its end");
}

test("the device program allows what the rules allow", () => {
  const [MKNOD, READ, WRITE] = [1, 2, 4];
  const program = deviceFilter(
    normalizeDeviceRules([
      { allow: true, type: "c", major: 9, minor: 9 },
      { allow: false, access: "rwm" },
      { allow: true, type: "c", access: "m" },
      { allow: true, type: "c", major: 1, minor: 3, access: "r" },
      { allow: true, type: "c", major: 1, minor: 3, access: "w" },
      { allow: true, type: "b", major: 8, minor: -1, access: "rwm" },
      { allow: false, type: "b", major: 8, minor: 1, access: "w" },
    ]),
  );
  assert.equal(run(program, "c", READ | WRITE, 1, 3), true);
  assert.equal(run(program, "c", READ, 1, 5), false);
  assert.equal(run(program, "c", MKNOD, 1, 5), true);
  assert.equal(run(program, "c", READ, 9, 9), false, "a rule before the last one for all is void");
  assert.equal(run(program, "b", READ | WRITE, 8, 7), true);
  assert.equal(run(program, "b", READ | WRITE, 8, 1), false);
  assert.equal(run(program, "b", READ, 8, 1), true);
});
