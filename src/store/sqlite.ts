import { Worker } from "node:worker_threads";
import { systemClock, type Clock } from "#base/clock.ts";
import { storeCore } from "./core/core.ts";
import { expiry, type Expiry } from "./core/expiry.ts";
import type { HistoryLimits } from "./core/history.ts";
import { DEFAULT_HISTORY } from "./memory.ts";
import { groupCommit } from "./sqlite/group-commit.ts";
import { loadState, type LoadedState } from "./sqlite/load.ts";
import type { WorkerOptions } from "./sqlite/messages.ts";
import type { Store } from "./store.ts";

/** A store whose file can be copied while it serves. */
export interface SqliteStore extends Store {
  /** Copies all that is durable into a new file, which another store can be opened on. Throws `unavailable`. */
  snapshot(path: string): Promise<void>;
}

export interface SqliteStoreOptions {
  readonly clock?: Clock;
  /** As in memoryStore; kept on disk too. */
  readonly history?: HistoryLimits;
  /** The file grows no larger; writes are then refused (`unavailable`) until something is deleted. */
  readonly maxBytes?: number;
  readonly onError?: (error: unknown) => void;
}

/**
 * The store in one SQLite file (WAL, synchronous=FULL), owned by a worker thread. The whole current state is in memory,
 * so reads never wait for the disk; all writes that arrive while a commit runs go into the next one. Just opened, it reads
 * its past still: reads of it, watches from it, and writes wait for that.
 * Fails with `unavailable` when the file is in use by another process or cannot be opened.
 */
export async function openSqliteStore(path: string, options: SqliteStoreOptions = {}): Promise<SqliteStore> {
  const workerData: WorkerOptions = { path, maxBytes: options.maxBytes };
  // Rows pass through it: a large young generation would only fill with those that are written.
  const worker = new Worker(workerFile(), { workerData, resourceLimits: { maxYoungGenerationSizeMb: 2 } });
  const state = await loadState(worker, path);
  return sqliteStore(worker, path, state, options);
}

function sqliteStore(worker: Worker, path: string, state: LoadedState, options: SqliteStoreOptions): SqliteStore {
  const clock = options.clock ?? systemClock;
  const core = storeCore(options.history ?? DEFAULT_HISTORY, options.onError ?? rethrowLater, state);
  const writer = groupCommit({
    worker,
    path,
    core,
    clock,
    onDurable(staged) {
      const { event, ttlMs } = staged;
      if (event.current && ttlMs !== undefined) lifetimes.track(event.current, ttlMs, clock.now());
    },
  });
  const lifetimes: Expiry = expiry(
    clock,
    (key) => core.get(key),
    (key, modRevision) => {
      // A failed expiry (full disk) is tried again at the next start; the key is merely late to go.
      writer.commit({ kind: "delete", key, expect: modRevision }).catch(options.onError ?? (() => undefined));
    },
  );
  for (const { entry, ttlMs, writtenAtMs } of state.lifetimes) lifetimes.track(entry, ttlMs, writtenAtMs);
  /** The present is there from the start. */
  const past = (revision = core.revision): Promise<void> | undefined =>
    revision < core.revision ? core.pastLoaded : undefined;
  return {
    get revision() {
      return core.revision;
    },
    get compactedRevision() {
      return core.compactedRevision;
    },
    async get(key, revision) {
      const waits = past(revision);
      if (waits) await waits;
      return core.get(key, revision);
    },
    async range(prefix, range) {
      const waits = past(range?.revision);
      if (waits) await waits;
      return core.range(prefix, range);
    },
    commit: (operation) => writer.commit(operation),
    snapshot: (target) => writer.snapshot(target),
    watch: (prefix, fromRevision, onEvents) => core.watch(prefix, fromRevision, onEvents),
    // The file follows with the next commit.
    compact: async (revision) => core.compact(revision),
    async close() {
      lifetimes.close();
      await writer.close();
      core.close();
    },
  };
}

function workerFile(): URL {
  const source = import.meta.url.endsWith(".ts");
  return new URL(source ? "./sqlite/store.worker.ts" : "./store.worker.js", import.meta.url);
}

function rethrowLater(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}
