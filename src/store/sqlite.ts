import { Worker } from "node:worker_threads";
import { systemClock, type Clock } from "#base/clock.ts";
import { GantryError } from "#base/errors.ts";
import { storeCore, type CoreState, type Staged, type StoreCore } from "./core/core.ts";
import { expiry, type Expiry } from "./core/expiry.ts";
import type { HistoryLimits } from "./core/history.ts";
import { DEFAULT_HISTORY } from "./memory.ts";
import { loadState, type LoadedRow } from "./sqlite/load.ts";
import type { FromWorker, ToWorker, WorkerOptions } from "./sqlite/messages.ts";
import { packRows, type Row } from "./sqlite/rows.ts";
import type { CommitResult, Operation, Store } from "./store.ts";

export interface SqliteStoreOptions {
  readonly clock?: Clock;
  /** As in memoryStore; kept on disk too. */
  readonly history?: HistoryLimits;
  /** The file grows no larger; writes are then refused (`unavailable`) until something is deleted. */
  readonly maxBytes?: number;
  readonly onError?: (error: unknown) => void;
}

/** Writes waiting for the commit under way; beyond it further ones are refused (`too-many-requests`). */
const MAX_WAITING = 20_000;
const MAX_WAITING_BYTES = 128 * 2 ** 20;

interface Waiting {
  /** undefined: a refusal that rests on a write not yet durable, so its answer waits for that one. */
  readonly staged: Staged | undefined;
  readonly result: CommitResult;
  readonly resolve: (result: CommitResult) => void;
  readonly reject: (error: GantryError) => void;
}

/**
 * The store in one SQLite file (WAL, synchronous=FULL), owned by a worker thread. The whole current state is in memory,
 * so reads never wait for the disk; all writes that arrive while a commit runs go into the next one.
 * Fails with `unavailable` when the file is in use by another process or cannot be opened.
 */
export async function openSqliteStore(path: string, options: SqliteStoreOptions = {}): Promise<Store> {
  const worker = new Worker(workerFile(), { workerData: { path, maxBytes: options.maxBytes } satisfies WorkerOptions });
  const state = await loadState(worker, path);
  return sqliteStore(worker, path, state, options);
}

function sqliteStore(
  worker: Worker,
  path: string,
  state: CoreState & { entries: readonly LoadedRow[] },
  options: SqliteStoreOptions,
): Store {
  const clock = options.clock ?? systemClock;
  const core = storeCore(options.history ?? DEFAULT_HISTORY, options.onError ?? rethrowLater, state);
  const writer = groupCommit(worker, path, core, clock, (staged) => {
    const { event, ttlMs } = staged;
    if (event.current && ttlMs !== undefined) lifetimes.track(event.current, ttlMs, clock.now());
  });
  const lifetimes: Expiry = expiry(
    clock,
    (key) => core.get(key),
    (key, modRevision) => {
      // A failed expiry (full disk) is tried again at the next start; the key is merely late to go.
      writer.commit({ kind: "delete", key, expect: modRevision }).catch(options.onError ?? (() => undefined));
    },
  );
  for (const { entry, ttlMs, writtenAtMs } of state.entries) {
    if (ttlMs !== undefined) lifetimes.track(entry, ttlMs, writtenAtMs);
  }
  return {
    get revision() {
      return core.revision;
    },
    get compactedRevision() {
      return core.compactedRevision;
    },
    get: async (key, revision) => core.get(key, revision),
    range: async (prefix, range) => core.range(prefix, range),
    commit: (operation) => writer.commit(operation),
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

interface GroupCommit {
  commit(operation: Operation): Promise<CommitResult>;
  close(): Promise<void>;
}

function groupCommit(
  worker: Worker,
  path: string,
  core: StoreCore,
  clock: Clock,
  onDurable: (staged: Staged) => void,
): GroupCommit {
  let waiting: Waiting[] = [];
  let waitingBytes = 0;
  let flying: Waiting[] | undefined;
  let scheduled = false;
  let broken: GantryError | undefined;
  let closed: (() => void) | undefined;
  let closing: Promise<void> | undefined;

  const send = (message: ToWorker, transfer: ArrayBuffer[] = []): void => worker.postMessage(message, transfer);
  const flush = (): void => {
    scheduled = false;
    if (flying) return;
    if (waiting.length === 0) {
      if (closed) send({ kind: "close" });
      return;
    }
    flying = waiting;
    waiting = [];
    waitingBytes = 0;
    const staged = flying.flatMap((one) => one.staged ?? []);
    const rows = packRows(staged.map((one) => rowOf(one, clock.now())));
    const revision = staged.at(-1)?.event.revision ?? core.revision;
    const { compactedRevision, shortLivedDirectories } = core;
    send({ kind: "commit", rows, revision, compactedRevision, shortLivedDirectories: [...shortLivedDirectories] }, [
      rows.bytes.buffer,
    ]);
  };
  const schedule = (): void => {
    if (scheduled || flying) return;
    scheduled = true;
    // All that this turn of the event loop brings goes into one commit.
    setImmediate(flush);
  };
  const landed = (): void => {
    const batch = flying ?? [];
    flying = undefined;
    const staged = batch.flatMap((one) => one.staged ?? []);
    core.apply(staged);
    for (const one of staged) onDurable(one);
    for (const one of batch) one.resolve(one.result);
    flush();
  };
  /** What waits was checked against what failed, so it fails too; nothing of either is on disk. */
  const failAll = (error: GantryError): void => {
    const batch = (flying ?? []).concat(waiting);
    flying = undefined;
    waiting = [];
    waitingBytes = 0;
    core.discardStaged();
    for (const one of batch) one.reject(error);
    if (closed) flush();
  };
  const stop = (error: unknown): void => {
    broken ??= new GantryError("unavailable", `store ${path}: its writer stopped`, {}, error);
    failAll(broken);
    closed?.();
  };
  worker.on("message", (message: FromWorker) => {
    if (message.kind === "committed") landed();
    else if (message.kind === "failed") failAll(writeFailure(path, message));
    else if (message.kind === "closed") closed?.();
  });
  worker.on("error", stop);
  worker.on("exit", () => (closed ? closed() : stop(undefined)));

  return {
    commit(operation) {
      if (broken) return Promise.reject(broken);
      if (closed) return Promise.reject(new GantryError("unavailable", `store ${path} is closed`));
      if (waiting.length >= MAX_WAITING || waitingBytes >= MAX_WAITING_BYTES) {
        return Promise.reject(
          new GantryError("too-many-requests", `store ${path}: too many writes are waiting for the disk`),
        );
      }
      return new Promise((resolve, reject) => {
        const staged = core.stage(operation);
        if (operation.kind === "put") waitingBytes += operation.value.byteLength;
        waiting.push({ ...outcome(staged, core.revision), resolve, reject });
        schedule();
      });
    },
    close() {
      closing ??= new Promise((resolve) => {
        if (broken) return resolve();
        closed = resolve;
        schedule();
      });
      return closing;
    },
  };
}

function outcome(
  result: ReturnType<StoreCore["stage"]>,
  revision: number,
): { staged: Staged | undefined; result: CommitResult } {
  if (result.kind === "failed") return { staged: undefined, result };
  if (result.kind === "unchanged")
    return { staged: undefined, result: { kind: "committed", revision, previous: undefined } };
  const { event } = result.staged;
  return { staged: result.staged, result: { kind: "committed", revision: event.revision, previous: event.previous } };
}

function rowOf({ event, ttlMs }: Staged, nowMs: number): Row {
  return {
    key: event.key,
    value: event.current?.value,
    createRevision: event.current?.createRevision ?? 0,
    modRevision: event.revision,
    ttlMs: ttlMs === Infinity ? -1 : ttlMs,
    stamp: nowMs,
  };
}

function writeFailure(path: string, { message, full }: { message: string; full: boolean }): GantryError {
  const reason = full ? "no space left for it (disk full, or the file is at its limit)" : message;
  return new GantryError("unavailable", `store ${path}: write failed: ${reason}`);
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
