// Failures in Kubernetes' own words (k8s.io/apimachinery pkg/api/errors), each carrying its Status document.
import { GantryError, errorText, isGantryError, type ErrorCode } from "#base/errors.ts";
import type { Status, StatusCause } from "#formats/kube-types.generated.ts";

/** Names what failed: `deployments.apps`, or `Deployment.apps` where Kubernetes names the kind. */
export interface GroupResource {
  readonly group: string;
  readonly resource: string;
}

/** One wrong field. `type` is its FieldValueInvalid-like cause. */
export interface FieldFault {
  readonly field: string;
  readonly message: string;
  readonly reason: string;
}

interface Failure {
  readonly code: ErrorCode;
  readonly http: number;
  readonly reason: string;
  readonly message: string;
  readonly details?: Status["details"];
}

/** The error for a failure; its Status document is `details.status`. */
export function failure({ code, http, reason, message, details }: Failure): GantryError {
  const status: Status = {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    ...(reason === "" ? {} : { reason }),
    ...(details ? { details } : {}),
    code: http,
  };
  return new GantryError(code, message, { status });
}

/** `pods`, `deployments.apps`. */
export function qualified({ group, resource }: GroupResource): string {
  return group === "" ? resource : `${resource}.${group}`;
}

function named(about: GroupResource, name: string): NonNullable<Status["details"]> {
  return {
    ...(name === "" ? {} : { name }),
    ...(about.group === "" ? {} : { group: about.group }),
    kind: about.resource,
  };
}

export function notFound(about: GroupResource, name: string): GantryError {
  const message = `${qualified(about)} "${name}" not found`;
  return failure({ code: "not-found", http: 404, reason: "NotFound", message, details: named(about, name) });
}

export function alreadyExists(about: GroupResource, name: string): GantryError {
  const message = `${qualified(about)} "${name}" already exists`;
  return failure({ code: "already-exists", http: 409, reason: "AlreadyExists", message, details: named(about, name) });
}

/** generateName found no free name. */
export function generateNameConflict(about: GroupResource, name: string): GantryError {
  const message = `${qualified(about)} "${name}" already exists, the server was not able to generate a unique name for the object`;
  return failure({ code: "already-exists", http: 409, reason: "AlreadyExists", message, details: named(about, name) });
}

export const OBJECT_MODIFIED =
  "the object has been modified; please apply your changes to the latest version and try again";

export function conflict(about: GroupResource, name: string, why: string, causes?: StatusCause[]): GantryError {
  const message = `Operation cannot be fulfilled on ${qualified(about)} "${name}": ${why}`;
  const details = { ...named(about, name), ...(causes ? { causes } : {}) };
  return failure({ code: "conflict", http: 409, reason: "Conflict", message, details });
}

/** A conflict of server-side apply: its message stands alone. */
export function applyConflict(message: string, causes: StatusCause[]): GantryError {
  return failure({ code: "conflict", http: 409, reason: "Conflict", message, details: { causes } });
}

/** 422: `Pod "x" is invalid: spec.containers: Required value`. */
export function invalid(group: string, kind: string, name: string, faults: readonly FieldFault[]): GantryError {
  const about = { group, resource: kind };
  const texts = faults.map(({ field, message }) => `${field}: ${message}`);
  const list = texts.length === 1 ? texts.join("") : `[${Array.from(new Set(texts)).join(", ")}]`;
  const message = `${qualified(about)} "${name}" is invalid: ${faults.length === 0 ? "" : list}`.trimEnd();
  const causes = faults.map(({ field, message: text, reason }) => ({ reason, message: text, field }));
  return failure({
    code: "invalid",
    http: 422,
    reason: "Invalid",
    message,
    details: { ...named(about, name), causes },
  });
}

export function badRequest(message: string): GantryError {
  return failure({ code: "invalid", http: 400, reason: "BadRequest", message });
}

export function forbidden(about: GroupResource, name: string, why: string): GantryError {
  const subject = name === "" ? `${qualified(about)} is forbidden` : `${qualified(about)} "${name}" is forbidden`;
  const message = about.resource === "" ? `forbidden: ${why}` : `${subject}: ${why}`;
  const details = about.resource === "" ? undefined : named(about, name);
  return failure({ code: "forbidden", http: 403, reason: "Forbidden", message, ...(details ? { details } : {}) });
}

export function unauthorized(): GantryError {
  return failure({ code: "unauthorized", http: 401, reason: "Unauthorized", message: "Unauthorized" });
}

export function methodNotSupported(about: GroupResource, action: string): GantryError {
  const message = `${action} is not supported on resources of kind "${qualified(about)}"`;
  return failure({ code: "unsupported", http: 405, reason: "MethodNotAllowed", message, details: named(about, "") });
}

/** No such path. */
export function unknownPath(): GantryError {
  const message = "the server could not find the requested resource";
  return failure({ code: "not-found", http: 404, reason: "NotFound", message, details: {} });
}

export function expired(message: string): GantryError {
  return failure({ code: "gone", http: 410, reason: "Expired", message });
}

export function tooLarge(message: string): GantryError {
  return failure({ code: "too-large", http: 413, reason: "RequestEntityTooLarge", message });
}

export function notAcceptable(accepted: readonly string[]): GantryError {
  const message = `only the following media types are accepted: ${accepted.join(", ")}`;
  return failure({ code: "unsupported", http: 406, reason: "NotAcceptable", message });
}

export function unsupportedMediaType(accepted: readonly string[], got: string): GantryError {
  const message = `the body of the request was in an unknown format - accepted media types include: ${accepted.join(", ")}`;
  return failure({ code: "unsupported", http: 415, reason: "UnsupportedMediaType", message, details: { kind: got } });
}

export function timeout(message: string, retryAfterSeconds: number): GantryError {
  return failure({ code: "timeout", http: 504, reason: "Timeout", message, details: { retryAfterSeconds } });
}

export function tooManyRequests(message: string, retryAfterSeconds: number): GantryError {
  const details = { retryAfterSeconds };
  return failure({ code: "too-many-requests", http: 429, reason: "TooManyRequests", message, details });
}

export function internalError(message: string): GantryError {
  const text = `Internal error occurred: ${message}`;
  const details = { causes: [{ message }] };
  return failure({ code: "internal", http: 500, reason: "InternalError", message: text, details });
}

const BY_CODE: Readonly<Record<ErrorCode, readonly [http: number, reason: string]>> = {
  invalid: [400, "BadRequest"],
  unsupported: [400, "BadRequest"],
  unauthorized: [401, "Unauthorized"],
  forbidden: [403, "Forbidden"],
  "not-found": [404, "NotFound"],
  "already-exists": [409, "AlreadyExists"],
  conflict: [409, "Conflict"],
  "not-modified": [409, "Conflict"],
  gone: [410, "Expired"],
  "too-large": [413, "RequestEntityTooLarge"],
  "too-many-requests": [429, "TooManyRequests"],
  timeout: [504, "Timeout"],
  cancelled: [499, "Timeout"],
  unavailable: [503, "ServiceUnavailable"],
  "exec-failed": [500, "InternalError"],
  internal: [500, "InternalError"],
};

/** The Status document of anything thrown. What is no GantryError is a fault of ours: its text stays in the log. */
export function statusOf(error: unknown): Status {
  const known = isGantryError(error) ? error : internalError("unexpected failure, see the server's log");
  const status = known.details["status"];
  if (isStatus(status)) return status;
  const [http, reason] = BY_CODE[known.code];
  const made = failure({ code: known.code, http, reason, message: errorText(known) });
  return made.details["status"] as Status;
}

function isStatus(value: unknown): value is Status {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "Status";
}
