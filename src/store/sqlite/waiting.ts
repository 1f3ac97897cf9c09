import { GantryError } from "#base/errors.ts";
import type { Staged, StageResult } from "../core/core.ts";
import type { CommitResult, Operation } from "../store.ts";

/** One caller's write, or a refusal that rests on a write not yet durable, so that its answer waits for that one. */
export interface Waiting {
  readonly staged: Staged | undefined;
  readonly result: CommitResult;
  readonly resolve: (result: CommitResult) => void;
  readonly reject: (error: GantryError) => void;
}

/** Writes that wait for the commit under way. */
export interface WaitingLine {
  readonly length: number;
  /** Throws `too-many-requests` when no more may wait. */
  checkRoom(): void;
  add(operation: Operation, one: Waiting): void;
  /** All of them, leaving none. */
  takeAll(): Waiting[];
}

const MAX_WAITING = 20_000;
const MAX_WAITING_BYTES = 128 * 2 ** 20;

export function waitingLine(path: string): WaitingLine {
  let waiting: Waiting[] = [];
  let bytes = 0;
  return {
    get length() {
      return waiting.length;
    },
    checkRoom() {
      if (waiting.length < MAX_WAITING && bytes < MAX_WAITING_BYTES) return;
      throw new GantryError("too-many-requests", `store ${path}: too many writes are waiting for the disk`);
    },
    add(operation, one) {
      if (operation.kind === "put") bytes += operation.value.byteLength;
      waiting.push(one);
    },
    takeAll() {
      const all = waiting;
      waiting = [];
      bytes = 0;
      return all;
    },
  };
}

/** What a caller will be told once its batch is durable. */
export function outcomeOf(result: StageResult, revision: number): Pick<Waiting, "staged" | "result"> {
  switch (result.kind) {
    case "failed":
      return { staged: undefined, result };
    case "unchanged":
      return { staged: undefined, result: { kind: "committed", revision, previous: undefined, current: undefined } };
    default: {
      const { revision: own, previous, current } = result.staged.event;
      return { staged: result.staged, result: { kind: "committed", revision: own, previous, current } };
    }
  }
}
