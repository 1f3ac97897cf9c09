/**
 * What went wrong, in the terms every room shares. Each API edge maps a code to its own form
 * (HTTP status and body) in one file.
 */
export type ErrorCode =
  | "invalid" // the request is wrong: names the field and the way out
  | "unsupported" // well formed, but Gantry does not do it; names the field or flag
  | "unauthorized"
  | "forbidden"
  | "not-found"
  | "already-exists"
  | "conflict" // the thing's present state forbids it, or a revision is stale
  | "not-modified" // already so (start of a running container)
  | "gone" // a revision or continuation older than the history
  | "too-large"
  | "too-many-requests"
  | "timeout"
  | "cancelled"
  | "unavailable" // try again: starting, stopping, disk full
  | "exec-failed" // a process in a container could not be started
  | "internal";

/** The one error class: a stable code, a sentence for people, and structured details. */
export class GantryError extends Error {
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, details: Readonly<Record<string, unknown>> = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "GantryError";
    this.code = code;
    this.details = details;
  }
}

/** True when `error` is a GantryError, and of `code` when one is given. */
export function isGantryError(error: unknown, code?: ErrorCode): error is GantryError {
  return error instanceof GantryError && (code === undefined || error.code === code);
}

/** The text of anything thrown. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** For the default branch of a switch over a union: the type checker proves that it is never reached. */
export function unreachable(value: never): never {
  throw new GantryError("internal", `unexpected value ${JSON.stringify(value)}`);
}
