import { systemClock, type Clock } from "#base/clock.ts";
import { storeCore } from "./core/core.ts";
import { expiry } from "./core/expiry.ts";
import type { HistoryLimits } from "./core/history.ts";
import type { CommitResult, Operation, Store } from "./store.ts";

export interface MemoryStoreOptions {
  readonly clock?: Clock;
  /** Defaults to 20,000 events and 32 MiB of superseded values; beyond it the oldest go. */
  readonly history?: HistoryLimits;
  readonly onError?: (error: unknown) => void;
}

export const DEFAULT_HISTORY: HistoryLimits = { events: 20_000, bytes: 32 * 2 ** 20 };

/** A store in this process's memory: for tests and `createCluster()`. Nothing survives it. */
export function memoryStore(options: MemoryStoreOptions = {}): Store {
  const clock = options.clock ?? systemClock;
  const core = storeCore(options.history ?? DEFAULT_HISTORY, options.onError ?? rethrowLater);
  const commit = (operation: Operation): CommitResult => {
    const result = core.stage(operation);
    if (result.kind === "failed") return result;
    if (result.kind === "unchanged")
      return { kind: "committed", revision: core.revision, previous: undefined, current: undefined };
    const { event, ttlMs } = result.staged;
    core.apply([result.staged]);
    if (event.current && ttlMs !== undefined) lifetimes.track(event.current, ttlMs, clock.now());
    return { kind: "committed", revision: event.revision, previous: event.previous, current: event.current };
  };
  const lifetimes = expiry(
    clock,
    (key) => core.get(key),
    (key, modRevision) => commit({ kind: "delete", key, expect: modRevision }),
  );
  return {
    get revision() {
      return core.revision;
    },
    get compactedRevision() {
      return core.compactedRevision;
    },
    get: async (key, revision) => core.get(key, revision),
    range: async (prefix, range) => core.range(prefix, range),
    commit: async (operation) => commit(operation),
    watch: (prefix, fromRevision, onEvents) => core.watch(prefix, fromRevision, onEvents),
    compact: async (revision) => core.compact(revision),
    async close() {
      lifetimes.close();
      core.close();
    },
  };
}

function rethrowLater(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}
