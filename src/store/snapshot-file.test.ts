import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { isGantryError } from "#base/errors.ts";
import { addToSnapshot, restoreSnapshot } from "./snapshot-file.ts";
import { openSqliteStore } from "./sqlite.ts";
import type { Store } from "./store.ts";

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "gantry-snapshot-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const put = (store: Store, key: string, value: string) => store.commit({ kind: "put", key, value: Buffer.from(value) });

describe("snapshots of a store", () => {
  it("hold every write acknowledged before, taken while writes go on", async (t) => {
    const place = folder(t);
    const store = await openSqliteStore(join(place, "store.db"));
    let acknowledged = 0;
    let stop = false;
    const writer = (async () => {
      while (!stop) {
        await put(store, `/r/a/${String(acknowledged).padStart(6, "0")}`, "x".repeat(200));
        acknowledged++;
      }
    })();
    while (acknowledged < 50) await new Promise((resolve) => setImmediate(resolve));
    const before = acknowledged;
    const target = join(place, "snapshot");
    await store.snapshot(target);
    const after = acknowledged;
    stop = true;
    await writer;
    await store.close();
    assert.equal(statSync(target).mode & 0o777, 0o600);
    addToSnapshot(target, [{ path: "pki/ca.key", bytes: Buffer.from("secret") }]);

    const file = join(place, "restored.db");
    const entries = restoreSnapshot(target, file);
    assert.deepEqual(
      entries.map(({ path, bytes }) => [path, Buffer.from(bytes).toString()]),
      [["pki/ca.key", "secret"]],
    );
    const restored = await openSqliteStore(file);
    t.after(() => restored.close());
    const { items } = await restored.range("/r/a/");
    assert.ok(items.length >= before && items.length <= after + 2, `${before} <= ${items.length} <= ${after + 2}`);
    assert.equal(items.at(-1)?.key, `/r/a/${String(items.length - 1).padStart(6, "0")}`, "a hole in what was written");
    assert.ok(restored.revision > 1_000_000);
    // Who watched the store of later must list anew.
    assert.throws(
      () => restored.watch("/r/a/", after + 100, () => undefined),
      (error) => isGantryError(error, "gone"),
    );
    const next = await put(restored, "/r/a/new", "y");
    assert.equal(next.kind === "committed" && next.revision, restored.revision);
  });

  it("keep the store that was there, and refuse one in use", async (t) => {
    const place = folder(t);
    const file = join(place, "store.db");
    const store = await openSqliteStore(file);
    await put(store, "/r/a/1", "old");
    const target = join(place, "snapshot");
    await store.snapshot(target);
    addToSnapshot(target, []);
    await put(store, "/r/a/1", "new");
    assert.throws(
      () => restoreSnapshot(target, file),
      (error) => isGantryError(error, "conflict"),
    );
    assert.equal(String((await store.get("/r/a/1"))?.value), "new");
    await store.close();
    restoreSnapshot(target, file);
    const again = await openSqliteStore(file);
    assert.equal(String((await again.get("/r/a/1"))?.value), "old");
    await again.close();
    const kept = await openSqliteStore(`${file}.before-restore`);
    assert.equal(String((await kept.get("/r/a/1"))?.value), "new");
    await kept.close();
  });

  it("that are none, or are cut short, change nothing", async (t) => {
    const place = folder(t);
    const file = join(place, "store.db");
    const store = await openSqliteStore(file);
    for (let index = 0; index < 50; index++) await put(store, `/r/a/${index}`, "x".repeat(2000));
    const target = join(place, "snapshot");
    await store.snapshot(target);
    addToSnapshot(target, []);
    await store.close();
    const whole = readFileSync(target);
    const state = readFileSync(file);
    for (const bytes of [Buffer.from("no snapshot"), Buffer.alloc(0), whole.subarray(0, whole.length / 2), state]) {
      writeFileSync(target, bytes);
      assert.throws(
        () => restoreSnapshot(target, file),
        (error) => isGantryError(error, "invalid"),
      );
      assert.deepEqual(readFileSync(file), state);
    }
  });
});
