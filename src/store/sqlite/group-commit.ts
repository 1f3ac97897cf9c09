import type { Worker } from "node:worker_threads";
import type { Clock } from "#base/clock.ts";
import { GantryError } from "#base/errors.ts";
import type { Staged, StoreCore } from "../core/core.ts";
import type { CommitResult, Operation } from "../store.ts";
import type { CommitMessage, FromWorker, ToWorker } from "./messages.ts";
import { packRows, type Row } from "./rows.ts";
import { outcomeOf, waitingLine, type Waiting } from "./waiting.ts";

export interface GroupCommit {
  commit(operation: Operation): Promise<CommitResult>;
  /** A copy of the file with everything that is durable; the store serves on, its writes wait. */
  snapshot(path: string): Promise<void>;
  close(): Promise<void>;
}

export interface GroupCommitOptions {
  readonly worker: Worker;
  readonly path: string;
  readonly core: StoreCore;
  readonly clock: Clock;
  readonly onDurable: (staged: Staged) => void;
}

/** All that arrives while a commit is under way goes into the next one. */
export function groupCommit({ worker, path, core, clock, onDurable }: GroupCommitOptions): GroupCommit {
  const waiting = waitingLine(path);
  let flying: Waiting[] | undefined;
  let scheduled = false;
  let broken: GantryError | undefined;
  let closed: (() => void) | undefined;
  let closing: Promise<void> | undefined;

  const flush = (): void => {
    scheduled = false;
    if (flying) return;
    if (waiting.length === 0) {
      if (closed) worker.postMessage({ kind: "close" } satisfies ToWorker);
      return;
    }
    flying = waiting.takeAll();
    const message = commitMessage(core, stagedOf(flying), clock.now());
    worker.postMessage(message, [message.rows.bytes.buffer]);
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
    core.apply(stagedOf(batch));
    for (const one of stagedOf(batch)) onDurable(one);
    for (const one of batch) one.resolve(one.result);
    flush();
  };
  /** What waits was checked against what failed, so it fails too; nothing of either is on disk. */
  const failAll = (error: GantryError): void => {
    const batch = (flying ?? []).concat(waiting.takeAll());
    flying = undefined;
    core.discardStaged();
    for (const one of batch) one.reject(error);
    if (closed) flush();
  };
  const stop = (error: unknown): void => {
    broken ??= new GantryError("unavailable", `store ${path}: its writer stopped`, {}, error);
    failAll(broken);
    closed?.();
  };
  listenTo(worker, {
    committed: landed,
    failed: (message, full) => failAll(writeFailure(path, message, full)),
    closed: () => closed?.(),
    stopped: (error) => (closed && error === undefined ? closed() : stop(error)),
  });
  return {
    async commit(operation) {
      if (broken) throw broken;
      if (closed) throw new GantryError("unavailable", `store ${path} is closed`);
      waiting.checkRoom();
      const outcome = outcomeOf(core.stage(operation), core.revision);
      return new Promise((resolve, reject) => {
        waiting.add(operation, { ...outcome, resolve, reject });
        schedule();
      });
    },
    snapshot(target) {
      if (broken) return Promise.reject(broken);
      if (closed) return Promise.reject(new GantryError("unavailable", `store ${path} is closed`));
      return askSnapshot(worker, path, target);
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

function askSnapshot(worker: Worker, path: string, target: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void =>
      reject(new GantryError("unavailable", `store ${path}: no snapshot at ${target}: ${why}`));
    const ended = (): void => fail("its writer stopped");
    const onMessage = (message: FromWorker): void => {
      if (message.kind !== "snapshotted" || message.path !== target) return;
      worker.off("message", onMessage).off("exit", ended);
      if (message.error === undefined) resolve();
      else fail(message.error);
    };
    worker.on("message", onMessage).on("exit", ended);
    worker.postMessage({ kind: "snapshot", path: target } satisfies ToWorker);
  });
}

interface WorkerListener {
  committed(): void;
  failed(message: string, full: boolean): void;
  closed(): void;
  /** The thread is gone; with an error when it did not end by itself. */
  stopped(error: unknown): void;
}

function listenTo(worker: Worker, listener: WorkerListener): void {
  worker.on("message", (message: FromWorker) => {
    if (message.kind === "committed") listener.committed();
    else if (message.kind === "failed") listener.failed(message.message, message.full);
    else if (message.kind === "closed") listener.closed();
  });
  worker.on("error", (error: unknown) => listener.stopped(error));
  worker.on("exit", () => listener.stopped(undefined));
}

function stagedOf(batch: readonly Waiting[]): Staged[] {
  return batch.flatMap((one) => one.staged ?? []);
}

function commitMessage(core: StoreCore, staged: readonly Staged[], nowMs: number): CommitMessage {
  const { revision, compactedRevision, shortLivedDirectories } = core;
  return {
    kind: "commit",
    rows: packRows(staged.map((one) => rowOf(one, nowMs))),
    revision: staged.at(-1)?.event.revision ?? revision,
    compactedRevision,
    shortLivedDirectories: [...shortLivedDirectories],
  };
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

function writeFailure(path: string, message: string, full: boolean): GantryError {
  const reason = full ? "no space left for it (disk full, or the file is at its limit)" : message;
  return new GantryError("unavailable", `store ${path}: write failed: ${reason}`);
}
