/**
 * The revisioned key-value store under the API server: every change of any key makes the next revision.
 * One interface, served by memory (tests, createCluster), SQLite (one server) and, later, etcd v3 (many).
 */

/** A key at the revision of its last change. Values are opaque bytes; keys are UTF-8, `/`-separated. */
export interface KeyValue {
  readonly key: string;
  readonly value: Uint8Array;
  readonly createRevision: number;
  readonly modRevision: number;
  /** What readers made of the value, for the readers after them. The store neither looks at it nor keeps it. */
  decoded: unknown;
}

export interface PutOperation {
  readonly kind: "put";
  readonly key: string;
  readonly value: Uint8Array;
  /** modRevision that the key must have now; 0: must not exist; undefined: whatever it is. */
  readonly expect?: number;
  /** Short-lived data (leases, events): kept out of history, dropped after this many milliseconds. */
  readonly ttlMs?: number;
  /** The entry's `decoded` to start with. */
  readonly decoded?: unknown;
}

export interface DeleteOperation {
  readonly kind: "delete";
  readonly key: string;
  readonly expect?: number;
}

export type Operation = PutOperation | DeleteOperation;

/** `failed` carries the key's present state, so that a conflict needs no second read. */
export type CommitResult =
  | {
      readonly kind: "committed";
      readonly revision: number;
      readonly previous: KeyValue | undefined;
      /** What the key holds now; undefined after a delete. */
      readonly current: KeyValue | undefined;
    }
  | { readonly kind: "failed"; readonly current: KeyValue | undefined };

export interface RangeOptions {
  /** Read at this revision (it must be retained: `gone` otherwise); the present one by default. */
  readonly revision?: number;
  /** At most this many keys; 0 or undefined: all. */
  readonly limit?: number;
  /** Start after this key (exclusive), for paging. */
  readonly after?: string;
}

export interface RangeResult {
  readonly revision: number;
  readonly items: readonly KeyValue[];
  readonly more: boolean;
  /** Keys left after the last item, when `more`. */
  readonly remaining: number;
}

export interface StoreEvent {
  readonly kind: "put" | "delete";
  readonly key: string;
  readonly revision: number;
  /** After the change (for a delete: undefined). */
  readonly current: KeyValue | undefined;
  /** Before the change; undefined when created. */
  readonly previous: KeyValue | undefined;
}

export interface Watch {
  close(): void;
}

export interface Store {
  /** The newest committed revision. Survives restarts; never goes back. */
  readonly revision: number;
  get(key: string, revision?: number): Promise<KeyValue | undefined>;
  /** Keys that start with `prefix`, in byte order. */
  range(prefix: string, options?: RangeOptions): Promise<RangeResult>;
  /** One atomic compare-and-swap on one key. Resolves when durable. */
  commit(operation: Operation): Promise<CommitResult>;
  /**
   * Calls `onEvents` with batches, in revision order, of changes under `prefix` after `fromRevision` (exclusive):
   * first what history holds, then live ones, with no gap and no repeat. Throws `gone` when history no longer reaches back that far.
   */
  watch(prefix: string, fromRevision: number, onEvents: (events: readonly StoreEvent[]) => void): Watch;
  /** The oldest revision that ranges and watches can still ask for. */
  readonly compactedRevision: number;
  /** Forgets history up to `revision`. */
  compact(revision: number): Promise<void>;
  close(): Promise<void>;
}
