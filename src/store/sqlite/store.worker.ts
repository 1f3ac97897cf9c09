// The thread that owns the SQLite file: loads it, then makes one group commit after the other.
import { parentPort, workerData } from "node:worker_threads";
import { isFull, openDatabase, type Database } from "./database.ts";
import type { FromWorker, ToWorker, WorkerOptions } from "./messages.ts";
import { packRows, type Row } from "./rows.ts";

const CHUNK_BYTES = 256 * 1024;

const port = parentPort;
if (!port) throw new Error("this file runs as a worker thread");
const { path, maxBytes } = workerData as WorkerOptions;

function post(message: FromWorker, transfer: ArrayBuffer[] = []): void {
  port?.postMessage(message, transfer);
}

function postRows(kind: "entries" | "history", rows: Iterable<Row>): void {
  let chunk: Row[] = [];
  let bytes = 0;
  const flush = (): void => {
    if (chunk.length === 0) return;
    const packed = packRows(chunk);
    post({ kind, rows: packed }, [packed.bytes.buffer]);
    chunk = [];
    bytes = 0;
  };
  for (const row of rows) {
    chunk.push(row);
    bytes += 64 + (row.value?.byteLength ?? 0);
    if (bytes >= CHUNK_BYTES) flush();
  }
  flush();
}

function load(database: Database): void {
  postRows("entries", database.entries());
  post({
    kind: "ready",
    revision: Number(database.meta("revision") ?? 0),
    compactedRevision: Number(database.meta("compactedRevision") ?? 0),
    shortLivedDirectories: JSON.parse(database.meta("shortLivedDirectories") ?? "[]") as string[],
  });
}

/** The store is open by now: a past that cannot be read ends the thread, and with it the store. */
function loadPast(database: Database): void {
  postRows("history", database.history());
  post({ kind: "loaded" });
}

function fail(error: unknown): void {
  post({ kind: "failed", message: error instanceof Error ? error.message : String(error), full: isFull(error) });
}

function snapshot(database: Database, target: string): void {
  try {
    database.snapshot(target);
    post({ kind: "snapshotted", path: target });
  } catch (error) {
    post({ kind: "snapshotted", path: target, error: error instanceof Error ? error.message : String(error) });
  }
}

function open(): Database | undefined {
  try {
    const database = openDatabase(path, maxBytes);
    load(database);
    return database;
  } catch (error) {
    fail(error);
    return undefined;
  }
}

function serve(database: Database): void {
  port?.on("message", (message: ToWorker) => {
    if (message.kind === "close") {
      database.close();
      post({ kind: "closed" });
      port?.close();
      return;
    }
    if (message.kind === "snapshot") return snapshot(database, message.path);
    try {
      database.commit(message);
      post({ kind: "committed" });
    } catch (error) {
      fail(error);
    }
  });
}

const database = open();
if (database) {
  loadPast(database);
  serve(database);
}
