import { errorText, isGantryError, type ErrorCode } from "#base/errors.ts";

/** HTTP status of each error code, as Docker's errdefs map them (moby api/server/httpstatus). */
const STATUS: Readonly<Record<ErrorCode, number>> = {
  invalid: 400,
  unsupported: 501,
  unauthorized: 401,
  forbidden: 403,
  "not-found": 404,
  "already-exists": 409,
  conflict: 409,
  "not-modified": 304,
  gone: 410,
  "too-large": 413,
  "too-many-requests": 429,
  timeout: 504,
  cancelled: 499,
  unavailable: 503,
  "exec-failed": 400,
  internal: 500,
};

export interface ErrorReply {
  readonly status: number;
  readonly body: { readonly message: string };
}

/** Any thrown thing as Docker's answer. What is not ours is an internal error with its own text. */
export function errorReply(error: unknown): ErrorReply {
  const status = isGantryError(error) ? STATUS[error.code] : 500;
  return { status, body: { message: errorText(error) } };
}
