import { GantryError, type ErrorCode } from "#base/errors.ts";
import type { Status } from "#formats/kube-types.generated.ts";

const BY_REASON: Readonly<Record<string, ErrorCode>> = {
  NotFound: "not-found",
  AlreadyExists: "already-exists",
  Conflict: "conflict",
  Invalid: "invalid",
  BadRequest: "invalid",
  Unauthorized: "unauthorized",
  Forbidden: "forbidden",
  Gone: "gone",
  Expired: "gone",
  Timeout: "timeout",
  ServerTimeout: "unavailable",
  ServiceUnavailable: "unavailable",
  TooManyRequests: "too-many-requests",
  RequestEntityTooLarge: "too-large",
  MethodNotAllowed: "unsupported",
  NotAcceptable: "unsupported",
  UnsupportedMediaType: "unsupported",
  InternalError: "internal",
};

const BY_HTTP_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: "invalid",
  401: "unauthorized",
  403: "forbidden",
  404: "not-found",
  405: "unsupported",
  409: "conflict",
  410: "gone",
  413: "too-large",
  422: "invalid",
  429: "too-many-requests",
  503: "unavailable",
  504: "timeout",
};

/** The GantryError of an API Status document, which it carries in `details.status`. */
export function statusError(status: Status): GantryError {
  const code = BY_REASON[status.reason ?? ""] ?? BY_HTTP_STATUS[status.code ?? 0] ?? "internal";
  return new GantryError(code, status.message ?? status.reason ?? `the API answered ${status.code ?? "an error"}`, {
    status,
  });
}

/** The error of an HTTP answer: its Status document when the body is one. */
export function responseError(httpStatus: number, body: string): GantryError {
  try {
    const document = JSON.parse(body) as Partial<Status> | null;
    if (document?.kind === "Status") return statusError({ metadata: {}, code: httpStatus, ...document });
  } catch {
    // Not JSON: a proxy's page, or plain text.
  }
  const code = BY_HTTP_STATUS[httpStatus] ?? "internal";
  return new GantryError(code, `the API answered ${httpStatus}: ${body.trim().slice(0, 500)}`, { httpStatus });
}
