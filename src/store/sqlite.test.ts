import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { describe, it, type TestContext } from "node:test";
import { isGantryError } from "#base/errors.ts";
import { openSqliteStore } from "./sqlite.ts";
import type { Store, StoreEvent } from "./store.ts";
import { storeSuite } from "./store.suite.ts";

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "gantry-store-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

storeSuite("sqlite", async (t, options) => {
  const store = await openSqliteStore(join(folder(t), "store.db"), options);
  t.after(() => store.close());
  return store;
});

const put = (store: Store, key: string, value: string | Buffer, ttlMs?: number) =>
  store.commit({ kind: "put", key, value: Buffer.from(value), ...(ttlMs === undefined ? {} : { ttlMs }) });

describe("sqlite store file", () => {
  it("brings back state, revisions and history", async (t) => {
    const path = join(folder(t), "store.db");
    const before = await openSqliteStore(path);
    for (let index = 0; index < 10; index++) await put(before, `/r/a/${index % 2}`, String(index));
    await before.commit({ kind: "delete", key: "/r/a/0" });
    await put(before, "/r/leases/1", "lease", Infinity);
    await before.close();

    const store = await openSqliteStore(path);
    t.after(() => store.close());
    assert.equal(store.revision, 12);
    const state = await store.range("/r/");
    assert.deepEqual(
      state.items.map((item) => `${item.key}=${String(item.value)}@${item.createRevision},${item.modRevision}`),
      ["/r/a/1=9@2,10", "/r/leases/1=lease@12,12"],
    );
    const events: StoreEvent[] = [];
    store.watch("/r/a/", 7, (batch) => events.push(...batch));
    // The past is read after the present.
    while (events.length < 4) await turn();
    assert.deepEqual(
      events.map(
        (event) => `${event.revision} ${event.kind} ${String(event.previous?.value)}>${String(event.current?.value)}`,
      ),
      ["8 put 5>7", "9 put 6>8", "10 put 7>9", "11 delete 8>undefined"],
    );
    assert.throws(
      () => store.watch("/r/leases/", 11, () => undefined),
      (error) => isGantryError(error, "gone"),
    );
    const next = await put(store, "/r/a/1", "new");
    assert.equal(next.kind === "committed" && next.revision, 13);
  });

  it("serves before its past is read, in order all the same", async (t) => {
    const path = join(folder(t), "store.db");
    const before = await openSqliteStore(path);
    const value = "x".repeat(4000);
    await Promise.all(Array.from({ length: 2000 }, (_, index) => put(before, `/r/a/${index % 100}`, value + index)));
    await before.close();

    const store = await openSqliteStore(path);
    t.after(() => store.close());
    const revisions: number[] = [];
    store.watch("/r/a/", 500, (events) => revisions.push(...events.map((event) => event.revision)));
    const [, then, page] = await Promise.all([
      put(store, "/r/a/1", "new"),
      store.get("/r/a/1", 1000),
      store.range("/r/a/", { revision: 50 }),
    ]);
    assert.equal(String(then?.value), value + 901);
    assert.equal(page.items.length, 50);
    await turn();
    assert.deepEqual(
      revisions,
      Array.from({ length: 1501 }, (_, index) => 501 + index),
    );
  });

  it("drops what expired while it was closed", async (t) => {
    const path = join(folder(t), "store.db");
    const before = await openSqliteStore(path);
    await put(before, "/r/events/1", "brief", 1);
    await before.close();
    const store = await openSqliteStore(path);
    t.after(() => store.close());
    const gone = new Promise<void>((resolve) => {
      store.watch(
        "/r/events/",
        store.revision,
        (events) => events.some((event) => event.kind === "delete") && resolve(),
      );
    });
    if (await store.get("/r/events/1")) await gone;
    assert.equal(await store.get("/r/events/1"), undefined);
  });

  it("is readable by its owner only, and by one process at a time", async (t) => {
    const path = join(folder(t), "store.db");
    const store = await openSqliteStore(path);
    t.after(() => store.close());
    await put(store, "/r/a/1", "secret");
    for (const file of [path, `${path}-wal`]) assert.equal(statSync(file).mode & 0o777, 0o600);
    await assert.rejects(openSqliteStore(path), /store .*: cannot be opened: another process has it open/);
  });

  it("refuses a file that is not its own", async (t) => {
    await assert.rejects(openSqliteStore(join(folder(t), "no", "such", "folder")), (error) =>
      isGantryError(error, "unavailable"),
    );
  });

  it("refuses writes when full, keeps what it has, and goes on when there is room", async (t) => {
    const path = join(folder(t), "store.db");
    const store = await openSqliteStore(path, { maxBytes: 512 * 1024 });
    t.after(() => store.close());
    const value = Buffer.alloc(20_000, 1);
    let written = 0;
    let failure: unknown;
    while (!failure && written < 100) {
      await put(store, `/r/a/${written}`, value).then(
        () => written++,
        (error: unknown) => (failure = error),
      );
    }
    assert.ok(isGantryError(failure, "unavailable"));
    assert.match(String(failure), /no space left/);
    assert.ok(written > 10);
    assert.equal(store.revision, written, "a refused write takes no revision");
    for (let index = 0; index < written; index++)
      assert.equal((await store.get(`/r/a/${index}`))?.value.byteLength, 20_000);
    for (let index = 0; index < 8; index++) await store.commit({ kind: "delete", key: `/r/a/${index}` });
    await put(store, "/r/a/new", value);
    await store.close();
    const again = await openSqliteStore(path);
    t.after(() => again.close());
    assert.equal((await again.range("/r/a/")).items.length, written - 8 + 1);
  });

  it("does not grow under churn", async (t) => {
    const path = join(folder(t), "store.db");
    const store = await openSqliteStore(path, { history: { events: 200, bytes: 1e6 } });
    t.after(() => store.close());
    const round = async (): Promise<void> => {
      for (let index = 0; index < 100; index++) {
        await Promise.all(
          Array.from({ length: 20 }, (_, lease) =>
            put(store, `/r/leases/${lease}`, `${"x".repeat(300)}${index}`, Infinity),
          ),
        );
        await put(store, "/r/a/1", "y".repeat(1000));
      }
    };
    for (let count = 0; count < 4; count++) await round();
    assert.ok(statSync(path).size < 2 ** 20, `${statSync(path).size} bytes`);
    assert.ok(statSync(`${path}-wal`).size < 24 * 2 ** 20, `${statSync(`${path}-wal`).size} bytes of log`);
  });
});
