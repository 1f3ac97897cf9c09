import { GantryError } from "#base/errors.ts";
import type { StoreEvent } from "../store.ts";
import { boundedHistory, type HistoryLimits } from "./history.ts";

/** The past as far as it is kept, and how far back that is: lasting and short-lived keys have a history each. */
export interface Retention {
  readonly compactedRevision: number;
  /** Directories that have held short-lived keys. */
  readonly shortLivedDirectories: ReadonlySet<string>;
  record(event: StoreEvent, shortLived: boolean): void;
  /** Whether the key's directory holds short-lived keys; `mark` says that it does from now on. */
  isShortLived(key: string, mark?: boolean): boolean;
  /** Throws `gone` when changes under `prefix` after `revision` are no longer all known. */
  check(prefix: string, revision: number): void;
  /** Changes under `prefix` after `revision`, in order. */
  after(revision: number, prefix: string): StoreEvent[];
  compact(revision: number): void;
  /** What was retained when the store was last open, oldest first; before anything is recorded. */
  load(events: readonly StoreEvent[]): void;
}

export interface RetainedState {
  readonly revision: number;
  readonly compactedRevision: number;
  /** Their history did not survive the last restart. */
  readonly shortLivedDirectories: Iterable<string>;
}

const SHORT_LIVED_HISTORY: HistoryLimits = { events: 4096, bytes: 8 * 2 ** 20 };

export function retention(limits: HistoryLimits, state: RetainedState | undefined): Retention {
  let compacted = state?.compactedRevision ?? 0;
  const floors = new Map<string, number>();
  const lasting = boundedHistory(limits, (event) => (compacted = Math.max(compacted, event.revision)));
  const brief = boundedHistory(SHORT_LIVED_HISTORY, (event) => floors.set(directoryOf(event.key), event.revision));
  for (const directory of state?.shortLivedDirectories ?? []) floors.set(directory, state?.revision ?? 0);
  const floorOf = (prefix: string): number => {
    let floor = compacted;
    for (const [directory, lost] of floors) {
      if (lost > floor && (directory.startsWith(prefix) || prefix.startsWith(directory))) floor = lost;
    }
    return floor;
  };
  return {
    get compactedRevision() {
      return compacted;
    },
    get shortLivedDirectories() {
      return new Set(floors.keys());
    },
    record: (event, shortLived) => (shortLived ? brief : lasting).append(event),
    isShortLived(key, mark = false) {
      const directory = directoryOf(key);
      if (mark && !floors.has(directory)) floors.set(directory, 0);
      return floors.has(directory);
    },
    check(prefix, revision) {
      const floor = floorOf(prefix);
      if (revision >= floor) return;
      const message = `revision ${revision} has been compacted: the oldest retained one is ${floor}`;
      throw new GantryError("gone", message, { compactedRevision: floor });
    },
    after(revision, prefix) {
      const under = (event: StoreEvent): boolean => event.key.startsWith(prefix);
      const events = lasting.after(revision).filter(under);
      const more = brief.after(revision).filter(under);
      return more.length === 0 ? events : events.concat(more).toSorted((a, b) => a.revision - b.revision);
    },
    compact(revision) {
      lasting.compact(revision);
      brief.compact(revision);
      compacted = Math.max(compacted, revision);
    },
    load: (events) => lasting.load(events.filter((event) => event.revision > compacted)),
  };
}

/** The key up to and with its third slash: `/registry/leases/`. Short-lived keys share a directory with none that last. */
function directoryOf(key: string): string {
  const second = key.indexOf("/", 1);
  const third = second < 0 ? -1 : key.indexOf("/", second + 1);
  return third < 0 ? key : key.slice(0, third + 1);
}
