// The disk as a crash leaves it: the log cut at any byte, or its end spoiled. What was synced is there, and no commit by half.
import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { seededRandom } from "#base/random.ts";
import { openDatabase } from "./database.ts";
import { packRows, type Row } from "./rows.ts";

const COMMITS = 30;
const CUTS = 150;

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "gantry-torn-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Commit `number` writes three keys, all with its number, and removes the third of the one before. */
function rowsOf(number: number): Row[] {
  const put = (key: string, revision: number): Row => ({
    key,
    value: Buffer.from(`${number}:${"x".repeat((number * 997) % 9000)}`),
    createRevision: revision,
    modRevision: revision,
    ttlMs: undefined,
    stamp: 0,
  });
  const first = number * 4 + 1;
  const gone: Row = { ...put(`/c/${number - 1}`, first + 3), value: undefined };
  return [put("/a", first), put("/b", first + 1), put(`/c/${number}`, first + 2), gone];
}

/** Writes the commits; tells how long the log was when each was acknowledged. */
function writeAll(path: string): { readonly ends: number[]; readonly database: ReturnType<typeof openDatabase> } {
  const database = openDatabase(path, undefined);
  const ends: number[] = [];
  for (let number = 0; number < COMMITS; number++) {
    const rows = packRows(rowsOf(number));
    const revision = number * 4 + 4;
    database.commit({ kind: "commit", rows, revision, compactedRevision: 0, shortLivedDirectories: [] });
    ends.push(statSync(`${path}-wal`).size);
  }
  return { ends, database };
}

/** How many commits the file holds; fails when it holds one in part. */
function commitsIn(path: string): number {
  const database = openDatabase(path, undefined);
  try {
    const revision = Number(database.meta("revision") ?? 0);
    const commits = revision / 4;
    assert.ok(Number.isInteger(commits), `revision ${revision}`);
    const entries = Array.from(database.entries(), ({ key, value }) => {
      const text = Buffer.from(value ?? []).toString();
      const number = Number(text.slice(0, text.indexOf(":")));
      assert.equal(text, `${number}:${"x".repeat((number * 997) % 9000)}`, `${key} is whole`);
      return `${key}=${number}`;
    });
    const last = commits - 1;
    const expected = commits === 0 ? [] : [`/a=${last}`, `/b=${last}`, `/c/${last}=${last}`];
    assert.deepEqual(entries.sort(), expected);
    assert.equal(Array.from(database.history()).length, commits * 4);
    return commits;
  } finally {
    database.close();
  }
}

test("a log that ends anywhere holds every commit acknowledged before", (t) => {
  const place = folder(t);
  const path = join(place, "store.db");
  const { ends, database } = writeAll(path);
  const copy = join(place, "copy.db");
  copyFileSync(path, copy);
  const base = readFileSync(copy);
  const log = readFileSync(`${path}-wal`);
  database.close();
  const random = seededRandom(1);
  const cuts = [0, log.length, ...ends, ...ends.map((end) => end - 1)];
  while (cuts.length < CUTS) cuts.push(Math.floor(random.next() * log.length));
  for (const cut of cuts) {
    writeFileSync(copy, base);
    writeFileSync(`${copy}-wal`, log.subarray(0, cut));
    const synced = ends.filter((end) => end <= cut).length;
    const there = commitsIn(copy);
    assert.ok(there >= synced, `${there} of ${synced} commits after a cut at ${cut}`);
  }
});

test("a log whose end is spoiled holds the commits before it", (t) => {
  const place = folder(t);
  const path = join(place, "store.db");
  const { ends, database } = writeAll(path);
  const copy = join(place, "copy.db");
  copyFileSync(path, copy);
  const base = readFileSync(copy);
  const log = readFileSync(`${path}-wal`);
  database.close();
  const random = seededRandom(2);
  for (let round = 0; round < 40; round++) {
    const at = Math.floor(random.next() * log.length);
    const spoiled = Buffer.from(log);
    // A page that was half written when the power went.
    spoiled.fill(Math.floor(random.next() * 256), at, at + 512);
    if (spoiled.equals(log)) continue;
    writeFileSync(copy, base);
    writeFileSync(`${copy}-wal`, spoiled);
    const before = ends.filter((end) => end <= at).length;
    assert.ok(commitsIn(copy) >= before, `round ${round}`);
  }
});
