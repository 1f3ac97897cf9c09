import { GantryError } from "#base/errors.ts";
import type { KeyValue, Operation, RangeOptions, RangeResult, StoreEvent, Watch } from "../store.ts";
import { fanOut } from "./fan-out.ts";
import { boundedHistory, type HistoryLimits } from "./history.ts";
import { sortedKeys } from "./sorted-keys.ts";

/** A change that has its revision but is not yet visible: it becomes so when it is durable. */
export interface Staged {
  readonly event: StoreEvent;
  /** Set for short-lived keys, which stay out of history. */
  readonly ttlMs: number | undefined;
}

export type StageResult =
  | { readonly kind: "staged"; readonly staged: Staged }
  | { readonly kind: "unchanged" }
  | { readonly kind: "failed"; readonly current: KeyValue | undefined };

/** What a backend has on disk, to start from. */
export interface CoreState {
  readonly revision: number;
  readonly compactedRevision: number;
  readonly entries: Iterable<{ readonly entry: KeyValue; readonly ttlMs: number | undefined }>;
  readonly history: Iterable<StoreEvent>;
  /** Directories that have held short-lived keys: their history did not survive. */
  readonly shortLivedDirectories: Iterable<string>;
}

/** The decisions of a store without its disk: shared by every local backend. */
export interface StoreCore {
  readonly revision: number;
  readonly compactedRevision: number;
  readonly shortLivedDirectories: ReadonlySet<string>;
  get(key: string, revision?: number): KeyValue | undefined;
  range(prefix: string, options?: RangeOptions): RangeResult;
  watch(prefix: string, fromRevision: number, onEvents: (events: readonly StoreEvent[]) => void): Watch;
  /** Checks the operation against all that is staged, and gives it the next revision. */
  stage(operation: Operation): StageResult;
  /** Makes staged changes visible, in order. */
  apply(staged: readonly Staged[]): void;
  /** Forgets everything staged and not applied. */
  discardStaged(): void;
  compact(revision: number): void;
  close(): void;
}

const PRINTABLE_ASCII = /^[\x21-\x7e]+$/;
const SHORT_LIVED_HISTORY: HistoryLimits = { events: 4096, bytes: 8 * 2 ** 20 };

export function storeCore(limits: HistoryLimits, onError: (error: unknown) => void, state?: CoreState): StoreCore {
  const entries = new Map<string, KeyValue>();
  const keys = sortedKeys();
  const staged = new Map<string, KeyValue | undefined>();
  const watchers = fanOut(onError);
  let compacted = state?.compactedRevision ?? 0;
  let revision = state?.revision ?? 0;
  let stagedRevision = revision;
  const history = boundedHistory(limits, (event) => (compacted = Math.max(compacted, event.revision)));
  const shortLivedFloors = new Map<string, number>();
  const shortLived = boundedHistory(SHORT_LIVED_HISTORY, (event) =>
    shortLivedFloors.set(directoryOf(event.key), event.revision),
  );
  for (const { entry } of state?.entries ?? []) {
    entries.set(entry.key, entry);
    keys.add(entry.key);
  }
  for (const event of state?.history ?? []) history.append(event);
  for (const directory of state?.shortLivedDirectories ?? []) shortLivedFloors.set(directory, revision);

  const floorOf = (prefix: string): number => {
    let floor = compacted;
    for (const [directory, lost] of shortLivedFloors) {
      if (lost > floor && (directory.startsWith(prefix) || prefix.startsWith(directory))) floor = lost;
    }
    return floor;
  };
  const checkRetained = (prefix: string, wanted: number): void => {
    const floor = floorOf(prefix);
    if (wanted < floor) {
      throw new GantryError("gone", `revision ${wanted} has been compacted: the oldest retained one is ${floor}`, {
        compactedRevision: floor,
      });
    }
  };
  const eventsAfter = (after: number, prefix: string): StoreEvent[] => {
    const lasting = history.after(after).filter((event) => event.key.startsWith(prefix));
    const brief = shortLived.after(after).filter((event) => event.key.startsWith(prefix));
    if (brief.length === 0) return lasting;
    return lasting.concat(brief).toSorted((a, b) => a.revision - b.revision);
  };
  /** What keys under `prefix` held at an old revision, where that differs from now. */
  const undo = (prefix: string, at: number): Map<string, KeyValue | undefined> => {
    const before = new Map<string, KeyValue | undefined>();
    for (const event of eventsAfter(at, prefix)) if (!before.has(event.key)) before.set(event.key, event.previous);
    return before;
  };
  const present = (key: string): KeyValue | undefined => (staged.has(key) ? staged.get(key) : entries.get(key));
  const apply = ({ event, ttlMs }: Staged): void => {
    if (event.current) {
      if (!entries.has(event.key)) keys.add(event.key);
      entries.set(event.key, event.current);
    } else {
      entries.delete(event.key);
      keys.delete(event.key);
    }
    revision = event.revision;
    if (staged.get(event.key) === event.current) staged.delete(event.key);
    (ttlMs === undefined ? history : shortLived).append(event);
  };

  return {
    get revision() {
      return revision;
    },
    get compactedRevision() {
      return compacted;
    },
    get shortLivedDirectories() {
      return new Set(shortLivedFloors.keys());
    },
    get(key, at) {
      if (at === undefined || at >= revision) return entries.get(key);
      checkRetained(key, at);
      const change = eventsAfter(at, key).find((event) => event.key === key);
      return change ? change.previous : entries.get(key);
    },
    range(prefix, { revision: at = revision, limit = 0, after } = {}) {
      if (at >= revision)
        return pageOf(
          at,
          keys.scan(prefix, after),
          (key) => entries.get(key),
          limit,
          () => keys.count(prefix, after),
        );
      checkRetained(prefix, at);
      const before = undo(prefix, at);
      const all = new Set([
        ...keys.scan(prefix, after),
        ...Array.from(before.keys()).filter((key) => after === undefined || key > after),
      ]);
      const lookup = (key: string): KeyValue | undefined => (before.has(key) ? before.get(key) : entries.get(key));
      const then = Array.from(all)
        .filter((key) => lookup(key))
        .toSorted((a, b) => (a < b ? -1 : 1));
      return pageOf(at, then, lookup, limit, () => then.length);
    },
    watch(prefix, fromRevision, onEvents) {
      checkRetained(prefix, fromRevision);
      return watchers.add(prefix, fromRevision, revision, eventsAfter(fromRevision, prefix), onEvents);
    },
    stage(operation) {
      const { key, expect } = operation;
      if (!PRINTABLE_ASCII.test(key))
        throw new GantryError("invalid", `store key ${JSON.stringify(key)} is not printable ASCII`);
      const previous = present(key);
      if (expect !== undefined && (previous?.modRevision ?? 0) !== expect) return { kind: "failed", current: previous };
      if (operation.kind === "delete" && !previous) return { kind: "unchanged" };
      const next = ++stagedRevision;
      const current =
        operation.kind === "put"
          ? { key, value: operation.value, createRevision: previous?.createRevision ?? next, modRevision: next }
          : undefined;
      staged.set(key, current);
      const event: StoreEvent = { kind: operation.kind, key, revision: next, current, previous };
      const directory = directoryOf(key);
      const wasShortLived = shortLivedFloors.has(directory);
      const ttlMs = operation.kind === "put" ? operation.ttlMs : wasShortLived ? 0 : undefined;
      if (ttlMs !== undefined && !wasShortLived) shortLivedFloors.set(directory, 0);
      return { kind: "staged", staged: { event, ttlMs } };
    },
    apply(batch) {
      for (const one of batch) apply(one);
      watchers.publish(batch.map((one) => one.event));
    },
    discardStaged() {
      staged.clear();
      stagedRevision = revision;
    },
    compact(upTo) {
      const target = Math.min(upTo, revision);
      history.compact(target);
      shortLived.compact(target);
      compacted = Math.max(compacted, target);
    },
    close: () => watchers.close(),
  };
}

/** The key up to and with its third slash: `/registry/leases/`. Short-lived keys share a directory with none that last. */
function directoryOf(key: string): string {
  const second = key.indexOf("/", 1);
  const third = second < 0 ? -1 : key.indexOf("/", second + 1);
  return third < 0 ? key : key.slice(0, third + 1);
}

function pageOf(
  revision: number,
  keys: Iterable<string>,
  lookup: (key: string) => KeyValue | undefined,
  limit: number,
  count: () => number,
): RangeResult {
  const items: KeyValue[] = [];
  for (const key of keys) {
    if (limit > 0 && items.length === limit) {
      return { revision, items, more: true, remaining: count() - limit };
    }
    const entry = lookup(key);
    if (entry) items.push(entry);
  }
  return { revision, items, more: false, remaining: 0 };
}
