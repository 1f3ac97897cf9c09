// One script for every backend: what the Store interface promises.
import assert from "node:assert/strict";
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import { describe, it, type TestContext } from "node:test";
import { isGantryError } from "#base/errors.ts";
import type { KeyValue, Store, StoreEvent } from "./store.ts";

export interface SuiteOptions {
  readonly history?: { readonly events: number; readonly bytes: number };
}

const bytes = (text: string): Buffer => Buffer.from(text);
const text = (entry: KeyValue | undefined): string | undefined =>
  entry ? Buffer.from(entry.value).toString() : undefined;

async function put(
  store: Store,
  key: string,
  value: string,
  extra: { expect?: number; ttlMs?: number } = {},
): Promise<number> {
  const result = await store.commit({ kind: "put", key, value: bytes(value), ...extra });
  assert.equal(result.kind, "committed");
  return result.kind === "committed" ? result.revision : 0;
}

function summary(events: readonly StoreEvent[]): string[] {
  return events.map(
    (event) => `${event.kind} ${event.key} ${text(event.previous) ?? "-"}>${text(event.current) ?? "-"}`,
  );
}

/** Waits for `count` events under `prefix` after `from`. */
async function collect(store: Store, prefix: string, from: number, count: number): Promise<StoreEvent[]> {
  const seen: StoreEvent[] = [];
  return new Promise((resolve) => {
    const watch = store.watch(prefix, from, (events) => {
      seen.push(...events);
      if (seen.length < count) return;
      watch.close();
      resolve(seen);
    });
  });
}

/** `open` gives an empty store and cleans up by itself when the test ends. */
export function storeSuite(name: string, open: (t: TestContext, options?: SuiteOptions) => Promise<Store>): void {
  describe(`${name} store`, () => {
    it("gives each change the next revision", async (t) => {
      const store = await open(t);
      assert.equal(store.revision, 0);
      assert.deepEqual(
        [await put(store, "/r/a/1", "x"), await put(store, "/r/a/2", "y"), await put(store, "/r/a/1", "z")],
        [1, 2, 3],
      );
      const entry = await store.get("/r/a/1");
      assert.deepEqual([text(entry), entry?.createRevision, entry?.modRevision], ["z", 1, 3]);
      assert.equal(store.revision, 3);
    });

    it("compares and swaps", async (t) => {
      const store = await open(t);
      await put(store, "/r/a/1", "x", { expect: 0 });
      const again = await store.commit({ kind: "put", key: "/r/a/1", value: bytes("y"), expect: 0 });
      assert.equal(again.kind, "failed");
      assert.equal(again.kind === "failed" && text(again.current), "x");
      await put(store, "/r/a/1", "y", { expect: 1 });
      const stale = await store.commit({ kind: "delete", key: "/r/a/1", expect: 1 });
      assert.equal(stale.kind, "failed");
      const gone = await store.commit({ kind: "delete", key: "/r/a/1", expect: 2 });
      assert.equal(gone.kind === "committed" && text(gone.previous), "y");
      const nothing = await store.commit({ kind: "delete", key: "/r/a/1" });
      assert.equal(nothing.kind === "committed" && nothing.revision, 3);
      assert.equal(store.revision, 3);
    });

    it("lets exactly one of many concurrent writers win a revision", async (t) => {
      const store = await open(t);
      await put(store, "/r/a/counter", "0");
      const increment = async (): Promise<void> => {
        for (;;) {
          const entry = await store.get("/r/a/counter");
          const value = bytes(String(Number(text(entry)) + 1));
          const result = await store.commit({
            kind: "put",
            key: "/r/a/counter",
            value,
            expect: entry?.modRevision ?? 0,
          });
          if (result.kind === "committed") return;
        }
      };
      await Promise.all(Array.from({ length: 50 }, increment));
      assert.equal(text(await store.get("/r/a/counter")), "50");
    });

    it("ranges by prefix in order, in pages, and at an old revision", async (t) => {
      const store = await open(t);
      for (const key of ["/r/b/2", "/r/a/9", "/r/b/1", "/r/b/3", "/r/c/0"]) await put(store, key, key);
      const before = store.revision;
      await store.commit({ kind: "delete", key: "/r/b/2" });
      await put(store, "/r/b/0", "new");
      const keys = async (revision?: number, limit?: number, after?: string): Promise<string> => {
        const options = {
          ...(revision === undefined ? {} : { revision }),
          ...(limit ? { limit } : {}),
          ...(after ? { after } : {}),
        };
        const page = await store.range("/r/b/", options);
        return `${page.items.map((item) => item.key.slice(5)).join()}${page.more ? `+${page.remaining}` : ""}`;
      };
      assert.equal(await keys(), "0,1,3");
      assert.equal(await keys(before), "1,2,3");
      assert.equal(await keys(before, 2), "1,2+1");
      assert.equal(await keys(before, 2, "/r/b/2"), "3");
      assert.equal(await keys(undefined, 1), "0+2");
      assert.equal(await keys(undefined, 1, "/r/b/0"), "1+1");
      assert.equal(text(await store.get("/r/b/2", before)), "/r/b/2");
      assert.equal(await store.get("/r/b/0", before), undefined);
    });

    it("watches from history into the present with no gap and no repeat", async (t) => {
      const store = await open(t);
      for (let index = 0; index < 20; index++) await put(store, `/r/a/${index % 3}`, String(index));
      const done = collect(store, "/r/a/", 5, 35);
      for (let index = 20; index < 40; index++) void put(store, `/r/a/${index % 3}`, String(index));
      const events = await done;
      assert.deepEqual(
        events.map((event) => event.revision),
        Array.from({ length: 35 }, (_, index) => index + 6),
      );
      assert.equal(summary(events)[0], "put /r/a/2 2>5");
    });

    it("tells a watcher of creation, change and removal under its prefix only", async (t) => {
      const store = await open(t);
      const done = collect(store, "/r/a/", 0, 3);
      await put(store, "/r/a/1", "x");
      await put(store, "/r/b/1", "other");
      await put(store, "/r/a/1", "y");
      await store.commit({ kind: "delete", key: "/r/a/1" });
      assert.deepEqual(summary(await done), ["put /r/a/1 ->x", "put /r/a/1 x>y", "delete /r/a/1 y>-"]);
    });

    it("stops telling a closed watcher", async (t) => {
      const store = await open(t);
      let count = 0;
      const watch = store.watch("/r/", 0, (events) => (count += events.length));
      await put(store, "/r/a/1", "x");
      await turn();
      watch.close();
      await put(store, "/r/a/1", "y");
      await turn();
      assert.equal(count, 1);
    });

    it("refuses what was compacted", async (t) => {
      const store = await open(t);
      for (let index = 0; index < 5; index++) await put(store, "/r/a/1", String(index));
      await store.compact(3);
      assert.equal(store.compactedRevision, 3);
      const isGone = (error: unknown): boolean => isGantryError(error, "gone");
      assert.throws(() => store.watch("/r/a/", 2, () => undefined), isGone);
      await assert.rejects(store.range("/r/a/", { revision: 2 }), isGone);
      assert.equal(text(await store.get("/r/a/1", 3)), "2");
    });

    it("bounds its history by count and by bytes", async (t) => {
      const store = await open(t, { history: { events: 10, bytes: 1e6 } });
      for (let index = 0; index < 30; index++) await put(store, "/r/a/1", String(index));
      assert.equal(store.compactedRevision, 20);
      const small = await open(t, { history: { events: 1000, bytes: 10_000 } });
      for (let index = 0; index < 30; index++) await put(small, "/r/a/1", "v".repeat(1000));
      assert.ok(small.compactedRevision > 15);
    });

    it("drops short-lived keys when their time is up, and keeps them out of history", async (t) => {
      const store = await open(t, { history: { events: 5, bytes: 1e6 } });
      await put(store, "/r/a/1", "lasting");
      const done = collect(store, "/r/events/", 0, 3);
      await put(store, "/r/events/1", "brief", { ttlMs: 40 });
      for (let index = 0; index < 20; index++) await put(store, "/r/leases/1", String(index), { ttlMs: Infinity });
      await put(store, "/r/events/2", "longer", { ttlMs: 60_000 });
      const events = await done;
      assert.deepEqual(summary(events).toSorted(), [
        "delete /r/events/1 brief>-",
        "put /r/events/1 ->brief",
        "put /r/events/2 ->longer",
      ]);
      assert.equal(store.compactedRevision, 0, "lease churn does not push lasting keys' history out");
      assert.equal(text(await store.get("/r/leases/1")), "19");
    });

    it("keeps a short-lived key that is written again", async (t) => {
      const store = await open(t);
      await put(store, "/r/events/1", "a", { ttlMs: 50 });
      await sleep(30);
      await put(store, "/r/events/1", "b", { ttlMs: 50 });
      await sleep(30);
      assert.equal(text(await store.get("/r/events/1")), "b");
    });

    it("gives watchers of one prefix the same batch", async (t) => {
      const store = await open(t);
      const batches: (readonly StoreEvent[])[] = [];
      for (let index = 0; index < 2; index++) store.watch("/r/a/", 0, (events) => batches.push(events));
      await Promise.all([put(store, "/r/a/1", "x"), put(store, "/r/a/2", "y")]);
      await turn();
      assert.equal(batches.length, 2);
      assert.equal(batches[0], batches[1]);
      assert.equal(batches[0]?.length, 2);
    });

    it("refuses keys that are not printable ASCII", async (t) => {
      const store = await open(t);
      for (const key of ["/r/a/\u0000", "/r/ä", "", "/r/a b"]) {
        await assert.rejects(store.commit({ kind: "put", key, value: bytes("x") }), (error) =>
          isGantryError(error, "invalid"),
        );
      }
    });
  });
}
