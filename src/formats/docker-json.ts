import { GantryError } from "#base/errors.ts";

/**
 * Decoders for the Docker API's JSON documents, with Go's `encoding/json` habits, because that is what clients are
 * used to: names match without regard to case, null is absent, unknown fields are ignored, and a wrong type is an
 * error that names the field.
 */
export type Decoder<T> = (value: unknown, path: string) => T;

type Fields = Readonly<Record<string, Decoder<unknown>>>;

/** An object in which every field may be absent. */
export type Decoded<F extends Fields> = { -readonly [K in keyof F]?: ReturnType<F[K]> };

export const text: Decoder<string> = (value, path) =>
  typeof value === "string" ? value : wrongType(value, path, "string");

export const flag: Decoder<boolean> = (value, path) =>
  typeof value === "boolean" ? value : wrongType(value, path, "bool");

/** A whole number that JavaScript holds exactly. */
export const integer: Decoder<number> = (value, path) =>
  typeof value === "number" && Number.isSafeInteger(value) ? value : wrongType(value, path, "int64");

/** A string, or one of Go's `strslice`: `"a"` means `["a"]`. */
export const textOrList: Decoder<string[]> = (value, path) =>
  typeof value === "string" ? [value] : list(text)(value, path);

/** Anything: kept as it is. */
export const anything: Decoder<unknown> = (value) => value;

export function list<T>(item: Decoder<T>): Decoder<T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) return wrongType(value, path, "[]");
    return value.map((each, index) => item(each, `${path}[${index}]`));
  };
}

/** A map with free keys; without a prototype, so that no key means anything to JavaScript. */
export function map<T>(item: Decoder<T>): Decoder<Record<string, T>> {
  return (value, path) => {
    const result = Object.create(null) as Record<string, T>;
    for (const [key, each] of Object.entries(entriesOf(value, path))) result[key] = item(each, `${path}.${key}`);
    return result;
  };
}

/** Like `item`, and null stays null. */
export function nullable<T>(item: Decoder<T>): Decoder<T | null> {
  return (value, path) => (value === null ? null : item(value, path));
}

export function object<F extends Fields>(fields: F): Decoder<Decoded<F>> {
  const byLowerName = new Map(Object.keys(fields).map((name) => [name.toLowerCase(), name]));
  return (value, path) => {
    const result: Record<string, unknown> = {};
    for (const [key, each] of Object.entries(entriesOf(value, path))) {
      const name = fields[key] && Object.hasOwn(fields, key) ? key : byLowerName.get(key.toLowerCase());
      const decode = name === undefined ? undefined : fields[name];
      if (name === undefined || decode === undefined || each === null) continue;
      result[name] = decode(each, path === "" ? name : `${path}.${name}`);
    }
    return result as Decoded<F>;
  };
}

function entriesOf(value: unknown, path: string): object {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? value
    : wrongType(value, path, "object");
}

function wrongType(value: unknown, path: string, wanted: string): never {
  const got = Array.isArray(value)
    ? "array"
    : typeof value === "boolean"
      ? "bool"
      : value === null
        ? "null"
        : typeof value;
  const shown = typeof value === "number" ? `number ${value}` : got;
  throw new GantryError(
    "invalid",
    `invalid JSON: json: cannot unmarshal ${shown} into Go struct field ${path} of type ${wanted}`,
    { path },
  );
}
