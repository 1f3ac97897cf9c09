import type { Worker } from "node:worker_threads";
import { errorText, GantryError } from "#base/errors.ts";
import type { CoreState } from "../core/core.ts";
import type { KeyValue, StoreEvent } from "../store.ts";
import type { FromWorker } from "./messages.ts";
import { unpackRows, type Row } from "./rows.ts";

export interface LoadedRow {
  readonly entry: KeyValue;
  readonly ttlMs: number | undefined;
  readonly writtenAtMs: number;
}

/** Collects what the worker reads from the file until it is ready for writes. */
export function loadState(worker: Worker, path: string): Promise<CoreState & { entries: readonly LoadedRow[] }> {
  const entries: LoadedRow[] = [];
  const undo: Row[] = [];
  return new Promise((resolve, reject) => {
    const detach = (): void => {
      worker.off("error", onError).off("exit", onExit).off("message", onMessage);
    };
    const fail = (reason: string, cause?: unknown): void => {
      detach();
      void worker.terminate();
      reject(new GantryError("unavailable", `store ${path}: cannot be opened: ${reason}`, {}, cause));
    };
    const onError = (error: unknown): void => fail(errorText(error), error);
    const onExit = (): void => fail("its writer stopped");
    const onMessage = (message: FromWorker): void => {
      if (message.kind === "entries") for (const row of unpackRows(message.rows)) entries.push(loadedRow(row));
      else if (message.kind === "history") undo.push(...unpackRows(message.rows));
      else if (message.kind === "failed") fail(sentence(message.message));
      else if (message.kind === "ready") {
        detach();
        // Expiry takes entries of one lifetime in the order of their end.
        entries.sort((a, b) => a.writtenAtMs - b.writtenAtMs);
        resolve({ ...message, entries, history: eventsOf(undo, entries) });
      }
    };
    worker.on("error", onError).on("exit", onExit).on("message", onMessage);
  });
}

function sentence(message: string): string {
  return message.includes("locked") ? "another process has it open" : message;
}

function loadedRow(row: Row): LoadedRow {
  const { key, value = Buffer.alloc(0), createRevision, modRevision, stamp } = row;
  const ttlMs = row.ttlMs === -1 ? Infinity : row.ttlMs;
  return { entry: { key, value, createRevision, modRevision, decoded: undefined }, ttlMs, writtenAtMs: stamp };
}

/** The undo log read backwards: what a change made of a key is what the next change of it found, or what it holds now. */
function eventsOf(undo: readonly Row[], entries: readonly LoadedRow[]): StoreEvent[] {
  const after = new Map<string, KeyValue | undefined>(entries.map(({ entry }) => [entry.key, entry]));
  const events: StoreEvent[] = [];
  for (const row of undo.toReversed()) {
    const { key, value, createRevision, modRevision, stamp: revision } = row;
    const current = after.get(key);
    const previous = value ? { key, value, createRevision, modRevision, decoded: undefined } : undefined;
    after.set(key, previous);
    events.push({ kind: current ? "put" : "delete", key, revision, current, previous });
  }
  return events.reverse();
}
