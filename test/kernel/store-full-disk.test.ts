// A disk that is really full (a small tmpfs that others fill), not a file at a limit of its own.
import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { isGantryError } from "#base/errors.ts";
import { mount, unmount } from "#linux/mounts.ts";
import { openSqliteStore, type SqliteStore } from "#store/sqlite.ts";

const skip = process.getuid?.() === 0 ? false : "needs root";
const VALUE = Buffer.alloc(8000, 0x61);

function smallDisk(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "gantry-full-"));
  mount("tmpfs", folder, { type: "tmpfs", data: "size=2m,mode=0700" });
  t.after(() => {
    unmount(folder);
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** Takes all the room there is. */
function fill(folder: string): string {
  const path = join(folder, "others");
  const file = openSync(path, "w");
  try {
    for (const size of [65_536, 4096]) while (writeAll(file, size));
  } finally {
    closeSync(file);
  }
  return path;
}

function writeAll(file: number, size: number): boolean {
  try {
    return writeSync(file, Buffer.alloc(size, 1)) === size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOSPC") return false;
    throw error;
  }
}

/** Writes until the disk refuses; tells which keys were acknowledged, and the refusal. */
async function writeUntilRefused(store: SqliteStore, round: number, keys: Set<string>): Promise<unknown> {
  for (let index = 0; index < 1000; index++) {
    const key = `/registry/a/${round}-${index}`;
    try {
      await store.commit({ kind: "put", key, value: VALUE });
      keys.add(key);
    } catch (error) {
      return error;
    }
  }
  throw new Error("the disk was never full");
}

test(
  "a full disk refuses writes by name, loses none that it took, and serves on when there is room",
  { skip },
  async (t) => {
    const folder = smallDisk(t);
    const path = join(folder, "state.db");
    const keys = new Set<string>();
    let store = await openSqliteStore(path);
    t.after(() => store.close());
    for (let round = 0; round < 3; round++) {
      for (let index = 0; index < 10; index++) {
        const key = `/registry/a/calm-${round}-${index}`;
        await store.commit({ kind: "put", key, value: VALUE });
        keys.add(key);
      }
      const others = fill(folder);
      const refusal = await writeUntilRefused(store, round, keys);
      assert.ok(isGantryError(refusal, "unavailable"), String(refusal));
      assert.match(refusal.message, /write failed: no space left for it/);
      assert.deepEqual(await present(store), keys, "reads go on, and hold what was acknowledged");
      rmSync(others);
      await store.commit({ kind: "put", key: `/registry/a/after-${round}`, value: VALUE });
      keys.add(`/registry/a/after-${round}`);
      for (const key of Array.from(keys).slice(0, keys.size - 5)) {
        await store.commit({ kind: "delete", key });
        keys.delete(key);
      }
      await store.close();
      store = await openSqliteStore(path);
      assert.deepEqual(await present(store), keys, "and so they are after a restart");
    }
  },
);

async function present(store: SqliteStore): Promise<Set<string>> {
  return new Set((await store.range("/registry/")).items.map(({ key }) => key));
}
