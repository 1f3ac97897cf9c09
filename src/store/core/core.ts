import type { KeyValue, Operation, RangeOptions, RangeResult, StoreEvent, Watch } from "../store.ts";
import { fanOut } from "./fan-out.ts";
import type { HistoryLimits } from "./history.ts";
import { retention, type RetainedState } from "./retention.ts";
import { sortedKeys, type SortedKeys } from "./sorted-keys.ts";
import { staging, type Staged, type StageResult } from "./staging.ts";

export type { Staged, StageResult };

/** What a backend has on disk, to start from. */
export interface CoreState extends RetainedState {
  /** What there is now; the core's from then on. */
  readonly entries: Map<string, KeyValue>;
  readonly keys: SortedKeys;
  /** The retained changes that led there, oldest first. No operation may be applied before they are here. */
  readonly past: Promise<readonly StoreEvent[]>;
}

/** The decisions of a store without its disk: shared by every local backend. */
export interface StoreCore {
  readonly revision: number;
  readonly compactedRevision: number;
  readonly shortLivedDirectories: ReadonlySet<string>;
  /** Until it is kept, nothing may be asked of the past but by `watch`, which waits for it. Rejects as the state's `past` does. */
  readonly pastLoaded: Promise<void>;
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

export function storeCore(limits: HistoryLimits, onError: (error: unknown) => void, state?: CoreState): StoreCore {
  const entries = state?.entries ?? new Map<string, KeyValue>();
  const keys = state?.keys ?? sortedKeys();
  const watchers = fanOut(onError);
  const retained = retention(limits, state);
  let revision = state?.revision ?? 0;
  const pending = staging(entries, retained, revision);
  let isPastLoaded = state === undefined;
  const pastLoaded = (state?.past ?? Promise.resolve([])).then((events) => {
    retained.load(events);
    isPastLoaded = true;
  });
  // Whoever needs the past hears of its loss.
  pastLoaded.catch(() => undefined);
  const lookup = (key: string): KeyValue | undefined => entries.get(key);
  const show = ({ event, ttlMs }: Staged): void => {
    if (event.current) {
      if (!entries.has(event.key)) keys.add(event.key);
      entries.set(event.key, event.current);
    } else {
      entries.delete(event.key);
      keys.delete(event.key);
    }
    revision = event.revision;
    pending.settled(event);
    retained.record(event, ttlMs !== undefined);
  };
  return {
    get revision() {
      return revision;
    },
    get compactedRevision() {
      return retained.compactedRevision;
    },
    get shortLivedDirectories() {
      return retained.shortLivedDirectories;
    },
    pastLoaded,
    get(key, at = revision) {
      if (at >= revision) return entries.get(key);
      retained.check(key, at);
      const change = retained.after(at, key).find((event) => event.key === key);
      return change ? change.previous : entries.get(key);
    },
    range(prefix, { revision: at = revision, limit = 0, after } = {}) {
      const present = keys.scan(prefix, after);
      if (at >= revision) return pageOf(at, present, lookup, limit, () => keys.count(prefix, after));
      retained.check(prefix, at);
      return pastPage(at, present, lookup, retained.after(at, prefix), limit, after);
    },
    watch(prefix, fromRevision, onEvents) {
      retained.check(prefix, fromRevision);
      const backlog = (): StoreEvent[] => retained.after(fromRevision, prefix);
      const soon = isPastLoaded || fromRevision >= revision ? backlog() : pastLoaded.then(backlog);
      return watchers.add(prefix, fromRevision, revision, soon, onEvents);
    },
    stage: pending.stage,
    apply(batch) {
      for (const one of batch) show(one);
      watchers.publish(batch.map((one) => one.event));
    },
    discardStaged: () => pending.discard(revision),
    compact: (upTo) => retained.compact(Math.min(upTo, revision)),
    close: () => watchers.close(),
  };
}

type Lookup = (key: string) => KeyValue | undefined;

/** A page as it was: what `changes` made of the present, undone. */
function pastPage(
  at: number,
  present: Iterable<string>,
  lookup: Lookup,
  changes: readonly StoreEvent[],
  limit: number,
  after: string | undefined,
): RangeResult {
  const before = new Map<string, KeyValue | undefined>();
  for (const event of changes) if (!before.has(event.key)) before.set(event.key, event.previous);
  const then: Lookup = (key) => (before.has(key) ? before.get(key) : lookup(key));
  const changed = Array.from(before.keys()).filter((key) => after === undefined || key > after);
  const all = Array.from(new Set([...present, ...changed])).filter((key) => then(key));
  all.sort((a, b) => (a < b ? -1 : 1));
  return pageOf(at, all, then, limit, () => all.length);
}

function pageOf(
  revision: number,
  keys: Iterable<string>,
  lookup: Lookup,
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
