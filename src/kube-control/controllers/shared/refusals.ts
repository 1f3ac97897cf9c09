import { GantryError, type ErrorCode } from "#base/errors.ts";

/** Answers after which it is certain that nothing was written. */
const REFUSALS: readonly ErrorCode[] = [
  "invalid",
  "unsupported",
  "unauthorized",
  "forbidden",
  "not-found",
  "already-exists",
  "conflict",
  "gone",
  "too-large",
  "too-many-requests",
];

/** True when the API answered that it did not do what it was asked; after any other error it may have. */
export function isRefusal(error: unknown): boolean {
  return error instanceof GantryError && REFUSALS.includes(error.code);
}
