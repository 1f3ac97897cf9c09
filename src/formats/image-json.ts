import { GantryError } from "#base/errors.ts";

/** Checked reading of untrusted JSON documents: every function names the field that is wrong. */

export type JsonObject = Readonly<Record<string, unknown>>;

/** Parses a document of at most `maxBytes`; it must be an object. Throws `invalid`. */
export function parseJsonObject(bytes: Uint8Array, what: string, maxBytes: number): JsonObject {
  if (bytes.byteLength > maxBytes) {
    throw invalid(`${what} has ${bytes.byteLength} bytes: at most ${maxBytes} are read`);
  }
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8"));
  } catch (error) {
    throw new GantryError("invalid", `${what} is not JSON: ${(error as Error).message}`, {}, error);
  }
  return asObject(value, what);
}

export function asObject(value: unknown, what: string): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid(`${what} is not an object`);
  return value as JsonObject;
}

export function asString(value: unknown, what: string): string {
  if (typeof value !== "string") throw invalid(`${what} is not a string`);
  return value;
}

export function optionalString(value: unknown, what: string): string | undefined {
  return value === undefined || value === null ? undefined : asString(value, what);
}

export function optionalBoolean(value: unknown, what: string): boolean | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "boolean") throw invalid(`${what} is not true or false`);
  return value;
}

/** A whole number in [0, 2^53). */
export function asCount(value: unknown, what: string): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw invalid(`${what} is not a whole number from 0 to 2^53`);
  }
  return value;
}

export function optionalCount(value: unknown, what: string): number | undefined {
  return value === undefined || value === null ? undefined : asCount(value, what);
}

/** A whole number of either sign. */
export function optionalInteger(value: unknown, what: string): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number" || !Number.isSafeInteger(value)) throw invalid(`${what} is not a whole number`);
  return value;
}

/** null counts as absent, as Go reads it. */
export function optionalArray(value: unknown, what: string, maxLength: number): readonly unknown[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) throw invalid(`${what} is not a list`);
  if (value.length > maxLength) throw invalid(`${what} has ${value.length} entries: at most ${maxLength} are read`);
  return value;
}

export function optionalStrings(value: unknown, what: string, maxLength: number): string[] | undefined {
  return optionalArray(value, what, maxLength)?.map((item, at) => asString(item, `${what}[${at}]`));
}

/** A map of strings as an object without a prototype, so that no key means anything to JavaScript. */
export function optionalStringMap(value: unknown, what: string): Record<string, string> | undefined {
  if (value === undefined || value === null) return undefined;
  return mapValues(asObject(value, what), (item, key) => asString(item, `${what}[${JSON.stringify(key)}]`));
}

/** A set as Docker writes it: an object whose values are empty objects. */
export function optionalSet(value: unknown, what: string): Record<string, object> | undefined {
  if (value === undefined || value === null) return undefined;
  return mapValues(asObject(value, what), () => ({}));
}

function mapValues<T>(object: JsonObject, convert: (value: unknown, key: string) => T): Record<string, T> {
  const result: Record<string, T> = Object.create(null) as Record<string, T>;
  for (const [key, value] of Object.entries(object)) result[key] = convert(value, key);
  return result;
}

/** The object without its undefined fields, so that it is written as it was read. */
export function defined<T extends object>(object: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}

export function invalid(message: string): GantryError {
  return new GantryError("invalid", message);
}
