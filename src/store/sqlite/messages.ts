import type { PackedRows } from "./rows.ts";

/** What the worker thread is started with. */
export interface WorkerOptions {
  readonly path: string;
  readonly maxBytes: number | undefined;
}

/** One group commit: all rows become durable together, or none does. */
export interface CommitMessage {
  readonly kind: "commit";
  readonly rows: PackedRows;
  readonly revision: number;
  /** History up to here is forgotten. */
  readonly compactedRevision: number;
  readonly shortLivedDirectories: readonly string[];
}

/** Copies the file as it is into a new one. */
export interface SnapshotMessage {
  readonly kind: "snapshot";
  readonly path: string;
}

export type ToWorker = CommitMessage | SnapshotMessage | { readonly kind: "close" };

export type FromWorker =
  | { readonly kind: "entries" | "history"; readonly rows: PackedRows }
  | {
      readonly kind: "ready";
      readonly revision: number;
      readonly compactedRevision: number;
      readonly shortLivedDirectories: readonly string[];
    }
  /** History, newest first, is what comes between `ready` and this. */
  | { readonly kind: "loaded" }
  | { readonly kind: "committed" }
  | { readonly kind: "snapshotted"; readonly path: string; readonly error?: string }
  | { readonly kind: "failed"; readonly message: string; readonly full: boolean }
  | { readonly kind: "closed" };
