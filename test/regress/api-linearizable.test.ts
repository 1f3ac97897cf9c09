// Concurrent writers and readers on few keys; the history of what they saw is checked against one register a key.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { isGantryError } from "#base/errors.ts";
import { seededRandom } from "#base/random.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { ConfigMap } from "#formats/kube-types.generated.ts";
import { SYSTEM_USER } from "#kube-api/context.ts";
import { localClient } from "#kube-api/local-client.ts";
import { createApiServer } from "#kube-api/server.ts";
import type { KubeClient } from "#kube-client/client.ts";
import { openSqliteStore } from "#store/sqlite.ts";

interface Seen {
  readonly key: string;
  readonly kind: "read" | "write";
  readonly startedAt: number;
  readonly endedAt: number;
  readonly revision: number;
  readonly value: string;
}

it("reads never go back, and every write is seen in the order of its revision", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "gantry-linear-"));
  const store = await openSqliteStore(join(folder, "state.db"));
  const server = createApiServer({ store });
  await server.start();
  t.after(async () => {
    await server.close();
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const client: KubeClient = localClient(server, SYSTEM_USER);
  const watched: { revision: number; key: string; value: string }[] = [];
  const stop = new AbortController();
  const watching = follow(client, String(store.revision), stop.signal, watched);
  const history: Seen[] = [];
  for (const key of ["a", "b", "c"]) await client.create(RESOURCES.configmaps, map(key, "start"));
  await Promise.all(Array.from({ length: 8 }, (_, worker) => work(client, worker, history)));
  checkHistory(history);
  const writes = history.filter(({ kind }) => kind === "write");
  while (watched.length < writes.length + 3) await new Promise((resolve) => setImmediate(resolve));
  stop.abort();
  await watching;
  const seen = watched.filter(({ value }) => value !== "start");
  assert.deepEqual(
    seen.map(({ revision, key, value }) => `${revision} ${key} ${value}`),
    writes.toSorted((a, b) => a.revision - b.revision).map(({ revision, key, value }) => `${revision} ${key} ${value}`),
    "the watch tells of every write once, in order",
  );
});

const map = (name: string, value: string, resourceVersion?: string): ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "default", ...(resourceVersion === undefined ? {} : { resourceVersion }) },
  data: { value },
});

async function work(client: KubeClient, worker: number, history: Seen[]): Promise<void> {
  const random = seededRandom(worker);
  for (let round = 0; round < 60; round++) {
    const key = ["a", "b", "c"][Math.floor(random.next() * 3)] ?? "a";
    const startedAt = performance.now();
    const read = await client.get(RESOURCES.configmaps, "default", key);
    record(history, "read", key, startedAt, read);
    if (random.next() < 0.5) continue;
    const value = `${worker}-${round}`;
    const from = performance.now();
    try {
      record(
        history,
        "write",
        key,
        from,
        await client.update(RESOURCES.configmaps, map(key, value, read.metadata.resourceVersion)),
      );
    } catch (error) {
      if (!isGantryError(error, "conflict")) throw error;
    }
  }
}

function record(
  history: Seen[],
  kind: Seen["kind"],
  key: string,
  startedAt: number,
  { metadata, data }: ConfigMap,
): void {
  history.push({
    key,
    kind,
    startedAt,
    endedAt: performance.now(),
    revision: Number(metadata.resourceVersion),
    value: data?.["value"] ?? "",
  });
}

/** One register a key: revisions order the writes, a read shows one of them, and nothing that ended earlier is newer. */
function checkHistory(history: readonly Seen[]): void {
  for (const key of ["a", "b", "c"]) {
    const own = history.filter((seen) => seen.key === key);
    const writes = new Map(own.filter(({ kind }) => kind === "write").map(({ revision, value }) => [revision, value]));
    assert.equal(writes.size, own.filter(({ kind }) => kind === "write").length, "each write has its own revision");
    for (const seen of own) {
      if (seen.value !== "start")
        assert.equal(writes.get(seen.revision), seen.value, "what is read was written at that revision");
    }
    const byEnd = own.toSorted((a, b) => a.endedAt - b.endedAt);
    for (const later of own) {
      const newest = byEnd
        .filter(({ endedAt }) => endedAt < later.startedAt)
        .reduce((most, { revision }) => Math.max(most, revision), 0);
      assert.ok(
        later.revision >= newest,
        `${later.kind} of ${key} saw ${later.revision} after ${newest} had been seen`,
      );
    }
  }
}

async function follow(
  client: KubeClient,
  resourceVersion: string,
  signal: AbortSignal,
  into: { revision: number; key: string; value: string }[],
): Promise<void> {
  for await (const event of client.watch(RESOURCES.configmaps, { namespace: "default", resourceVersion, signal })) {
    if (event.type === "BOOKMARK") continue;
    const { metadata, data } = event.object;
    into.push({ revision: Number(metadata.resourceVersion), key: metadata.name ?? "", value: data?.["value"] ?? "" });
  }
}
