import type { Worker } from "node:worker_threads";
import { errorText, GantryError } from "#base/errors.ts";
import type { CoreState } from "../core/core.ts";
import { sortedKeys } from "../core/sorted-keys.ts";
import type { KeyValue, StoreEvent } from "../store.ts";
import type { FromWorker } from "./messages.ts";
import { unpackRows, type Row } from "./rows.ts";

/** A short-lived entry, and how long it has. */
export interface Lifetime {
  readonly entry: KeyValue;
  readonly ttlMs: number;
  readonly writtenAtMs: number;
}

export interface LoadedState extends CoreState {
  /** In the order in which they were written. */
  readonly lifetimes: readonly Lifetime[];
}

/**
 * Collects what the worker reads from the file, piece by piece as it comes. Resolves when the present is there; the past
 * follows (`past`), and commits after it.
 */
export function loadState(worker: Worker, path: string): Promise<LoadedState> {
  const entries = new Map<string, KeyValue>();
  const keys = sortedKeys();
  const lifetimes: Lifetime[] = [];
  const past = pastReader(entries);
  return new Promise((resolve, reject) => {
    const detach = (): void => {
      worker.off("error", onError).off("exit", onExit).off("message", onMessage);
    };
    const fail = (reason: string, cause?: unknown): void => {
      detach();
      void worker.terminate();
      const error = new GantryError("unavailable", `store ${path}: cannot be opened: ${reason}`, {}, cause);
      past.reject(error);
      reject(error);
    };
    const onError = (error: unknown): void => fail(errorText(error), error);
    const onExit = (): void => fail("its writer stopped");
    const take = (row: Row): void => {
      const { key, value = Buffer.alloc(0), createRevision, modRevision, ttlMs, stamp } = row;
      const entry = { key, value, createRevision, modRevision, decoded: undefined };
      entries.set(key, entry);
      keys.add(key);
      if (ttlMs !== undefined) lifetimes.push({ entry, ttlMs: ttlMs === -1 ? Infinity : ttlMs, writtenAtMs: stamp });
    };
    const onMessage = (message: FromWorker): void => {
      switch (message.kind) {
        case "entries":
          return unpackRows(message.rows).forEach(take);
        case "ready":
          lifetimes.sort((a, b) => a.writtenAtMs - b.writtenAtMs);
          return resolve({ ...message, entries, keys, lifetimes, past: past.events });
        case "history":
          return unpackRows(message.rows).forEach(past.take);
        case "loaded":
          detach();
          return past.end();
        case "failed":
          return fail(sentence(message.message));
        default:
      }
    };
    worker.on("error", onError).on("exit", onExit).on("message", onMessage);
  });
}

function sentence(message: string): string {
  return message.includes("locked") ? "another process has it open" : message;
}

/** The undo log read backwards: what a change made of a key is what the next change of it found, or what it holds now. */
function pastReader(entries: ReadonlyMap<string, KeyValue>) {
  const { promise, resolve, reject } = Promise.withResolvers<readonly StoreEvent[]>();
  // Whoever opens the store hears of it by the promise that this one comes with.
  promise.catch(() => undefined);
  const found = new Map<string, KeyValue | undefined>();
  const events: StoreEvent[] = [];
  return {
    events: promise,
    reject,
    take({ key, value, createRevision, modRevision, stamp: revision }: Row): void {
      const current = found.has(key) ? found.get(key) : entries.get(key);
      const previous = value ? { key, value, createRevision, modRevision, decoded: undefined } : undefined;
      found.set(key, previous);
      events.push({ kind: current ? "put" : "delete", key, revision, current, previous });
    },
    end(): void {
      found.clear();
      resolve(events.reverse());
    },
  };
}
