// Field errors in Kubernetes' words (k8s.io/apimachinery/pkg/util/validation/field).

export type FieldErrorType =
  | "FieldValueRequired"
  | "FieldValueInvalid"
  | "FieldValueNotSupported"
  | "FieldValueDuplicate"
  | "FieldValueForbidden"
  | "FieldValueNotFound"
  | "FieldValueTooLong"
  | "FieldValueTooMany"
  | "FieldValueTypeInvalid"
  | "InternalError";

/** One thing wrong with one field. */
export interface FieldError {
  readonly type: FieldErrorType;
  /** `spec.containers[0].image` */
  readonly field: string;
  readonly badValue: unknown;
  readonly detail: string;
  /** What follows `field: ` in an error text. */
  readonly message: string;
  /** The type again, under the name that a Status document's causes have for it. */
  readonly reason: string;
}

export type FieldErrors = FieldError[];

const TITLES: Readonly<Record<FieldErrorType, string>> = {
  FieldValueRequired: "Required value",
  FieldValueInvalid: "Invalid value",
  FieldValueNotSupported: "Unsupported value",
  FieldValueDuplicate: "Duplicate value",
  FieldValueForbidden: "Forbidden",
  FieldValueNotFound: "Not found",
  FieldValueTooLong: "Too long",
  FieldValueTooMany: "Too many",
  FieldValueTypeInvalid: "Invalid value",
  InternalError: "Internal error",
};
const WITHOUT_VALUE: ReadonlySet<FieldErrorType> = new Set([
  "FieldValueRequired",
  "FieldValueForbidden",
  "FieldValueTooLong",
  "InternalError",
]);

function fieldError(type: FieldErrorType, field: string, badValue: unknown, detail: string): FieldError {
  const value = WITHOUT_VALUE.has(type) ? "" : `: ${showValue(badValue)}`;
  const message = `${TITLES[type]}${value}${detail === "" ? "" : `: ${detail}`}`;
  return { type, field, badValue, detail, message, reason: type };
}

function showValue(value: unknown): string {
  return value === undefined || value === null ? "null" : JSON.stringify(value);
}

export function required(field: string, detail = ""): FieldError {
  return fieldError("FieldValueRequired", field, "", detail);
}

export function invalid(field: string, value: unknown, detail: string): FieldError {
  return fieldError("FieldValueInvalid", field, value, detail);
}

/** `supported` is shown in the order given. */
export function notSupported(field: string, value: unknown, supported: readonly string[]): FieldError {
  const list = supported.map((item) => JSON.stringify(item)).join(", ");
  return fieldError("FieldValueNotSupported", field, value, list === "" ? "" : `supported values: ${list}`);
}

export function duplicate(field: string, value: unknown): FieldError {
  return fieldError("FieldValueDuplicate", field, value, "");
}

export function forbidden(field: string, detail: string): FieldError {
  return fieldError("FieldValueForbidden", field, "", detail);
}

export function notFound(field: string, value: unknown): FieldError {
  return fieldError("FieldValueNotFound", field, value, "");
}

export function tooLong(field: string, maxBytes: number): FieldError {
  return fieldError("FieldValueTooLong", field, "", `may not be more than ${maxBytes} bytes`);
}

export function tooMany(field: string, actual: number, most: number): FieldError {
  return fieldError("FieldValueTooMany", field, actual, `must have at most ${most} items`);
}

/** One `invalid` for each message. */
export function invalidEach(field: string, value: unknown, messages: readonly string[]): FieldErrors {
  return messages.map((message) => invalid(field, value, message));
}

/** `path.name`, or `name` at the root. */
export function child(path: string, name: string, ...more: readonly string[]): string {
  const first = path === "" ? name : `${path}.${name}`;
  return more.length === 0 ? first : `${first}.${more.join(".")}`;
}

/** `path[key]` */
export function at(path: string, key: number | string): string {
  return `${path}[${key}]`;
}

/** Checks each item of a list, with its own path. */
export function each<T>(
  path: string,
  items: readonly T[] | undefined,
  check: (item: T, path: string, index: number) => FieldErrors,
): FieldErrors {
  return (items ?? []).flatMap((item, index) => check(item, at(path, index), index));
}

/** Required, and one of `supported`. */
export function oneOf(field: string, value: string | undefined, supported: readonly string[]): FieldErrors {
  if (value === undefined || value === "") return [required(field)];
  return supported.includes(value) ? [] : [notSupported(field, value, supported)];
}

/** Absent, or one of `supported`. */
export function optionalOneOf(field: string, value: string | undefined, supported: readonly string[]): FieldErrors {
  return value === undefined || supported.includes(value) ? [] : [notSupported(field, value, supported)];
}

export function nonNegative(field: string, value: number | undefined): FieldErrors {
  return value !== undefined && value < 0 ? [invalid(field, value, "must be greater than or equal to 0")] : [];
}

export function positive(field: string, value: number | undefined): FieldErrors {
  return value !== undefined && value <= 0 ? [invalid(field, value, "must be greater than 0")] : [];
}

/** The text after `Kind "name" is invalid: `. */
export function renderErrors(errors: readonly FieldError[]): string {
  const texts = [...new Set(errors.map(({ field, message }) => `${field}: ${message}`))];
  return texts.length === 1 ? (texts[0] ?? "") : `[${texts.join(", ")}]`;
}
