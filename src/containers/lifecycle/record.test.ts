import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import type { ContainerConfig } from "../engine.ts";
import { NEVER_STARTED, readRecords, writeConfigDurably, writeRecord, type ContainerRecord } from "./record.ts";
import { readState, writeState } from "./state-file.ts";

let root = "";
beforeEach(() => (root = mkdtempSync(join(tmpdir(), "gantry-records-"))));
afterEach(() => rmSync(root, { recursive: true }));

const record: ContainerRecord = {
  ...NEVER_STARTED,
  version: 1,
  id: "c",
  name: "web",
  config: { image: "busybox" } as ContainerConfig,
  createdAt: 1,
  mounts: [],
};

function directory(id: string): string {
  mkdirSync(join(root, id), { recursive: true });
  return join(root, id);
}

test("records come back as they were written, states by their newest slot", async () => {
  await writeConfigDurably(directory("c"), record, true);
  assert.deepEqual(readRecords(root).records, [record]);
  await writeConfigDurably(directory("c"), record, false);
  assert.deepEqual(readRecords(root).records, [record]);
  for (let sequence = 1; sequence < 5; sequence++) {
    const state = { status: "running", pid: sequence, startTicks: 1, startedAt: 1 } as const;
    const next = { ...record, state, sequence, stopped: sequence % 2 === 0 };
    writeRecord(directory("c"), next, ["state", "stopped"]);
    assert.deepEqual(readRecords(root).records, [next]);
  }
});

test("a slot torn by the machine's end leaves the state before", () => {
  const at = directory("c");
  writeState(at, { ...record, restartCount: 1 }, 1);
  writeState(at, { ...record, restartCount: 2 }, 2);
  const bytes = readFileSync(join(at, "state"));
  writeFileSync(join(at, "state"), Buffer.concat([bytes.subarray(0, 30), Buffer.alloc(4066), bytes.subarray(4096)]));
  assert.equal(readState(at)?.restartCount, 1);
  truncateSync(join(at, "state"), 100);
  assert.equal(readState(at), undefined);
});

test("long reasons are cut to fit", () => {
  const at = directory("c");
  const exit = { code: 128, oomKilled: false, error: "ü".repeat(10_000), at: 1 };
  writeState(at, { ...record, state: { status: "exited", startedAt: 1, exit } }, 7);
  const read = readState(at);
  assert.equal(read?.state.status === "exited" ? read.state.exit.error.length : 0, 1500);
});

test("what has no record was not finished; what cannot be read is told and left", () => {
  directory("empty");
  // What a machine that failed may leave of a first record.
  writeFileSync(join(directory("unwritten"), "config.json"), "");
  writeFileSync(join(directory("broken"), "config.json"), "{");
  writeFileSync(join(directory("newer"), "config.json"), '{"version":2}');
  const found = readRecords(root);
  assert.deepEqual(found.unfinished.toSorted(), ["empty", "unwritten"]);
  assert.deepEqual(found.unreadable.map(({ id }) => id).sort(), ["broken", "newer"]);
});
