import { GantryError } from "#base/errors.ts";
import type { KeyValue, Operation, PutOperation, StoreEvent } from "../store.ts";
import type { Retention } from "./retention.ts";

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

/** What is decided and not yet durable: the next operations are checked against it. */
export interface Staging {
  /** Checks the operation against all that is staged, and gives it the next revision. */
  stage(operation: Operation): StageResult;
  /** The change is visible now. */
  settled(event: StoreEvent): void;
  /** Forgets everything staged; revisions go on after `revision`. */
  discard(revision: number): void;
}

const PRINTABLE_ASCII = /^[\x21-\x7e]+$/;

export function staging(entries: ReadonlyMap<string, KeyValue>, retained: Retention, revision: number): Staging {
  const staged = new Map<string, KeyValue | undefined>();
  let newest = revision;
  const present = (key: string): KeyValue | undefined => (staged.has(key) ? staged.get(key) : entries.get(key));
  return {
    stage(operation) {
      const { key, expect } = operation;
      if (!PRINTABLE_ASCII.test(key)) {
        throw new GantryError("invalid", `store key ${JSON.stringify(key)} is not printable ASCII`);
      }
      const previous = present(key);
      if (expect !== undefined && (previous?.modRevision ?? 0) !== expect) return { kind: "failed", current: previous };
      if (operation.kind === "delete" && !previous) return { kind: "unchanged" };
      const next = ++newest;
      const current = operation.kind === "put" ? entryOf(operation, previous, next) : undefined;
      staged.set(key, current);
      const event: StoreEvent = { kind: operation.kind, key, revision: next, current, previous };
      return { kind: "staged", staged: { event, ttlMs: lifetimeOf(operation, retained) } };
    },
    settled({ key, current }) {
      if (staged.get(key) === current) staged.delete(key);
    },
    discard(to) {
      staged.clear();
      newest = to;
    },
  };
}

function entryOf({ key, value, decoded }: PutOperation, previous: KeyValue | undefined, revision: number): KeyValue {
  return { key, value, createRevision: previous?.createRevision ?? revision, modRevision: revision, decoded };
}

/** A delete is of the class that its directory is of. */
function lifetimeOf(operation: Operation, retained: Retention): number | undefined {
  if (operation.kind === "delete") return retained.isShortLived(operation.key) ? 0 : undefined;
  if (operation.ttlMs !== undefined) retained.isShortLived(operation.key, true);
  return operation.ttlMs;
}
