import { GantryError } from "#base/errors.ts";
import type { FieldSchema, ScalarSchema, Schema, StructSchema, UnionSchema } from "../kube-schema.ts";
import { canonicalQuantity } from "../quantity.ts";
import { setOwn } from "../tree.ts";
import { normalMicroTime, normalTime } from "./time.ts";

export interface DecodeContext {
  /** Field names, list indexes and map keys from the root. */
  readonly path: (string | number | MapKey)[];
  /** Unknown and duplicate fields, in order. */
  readonly strictErrors: string[];
  /** The innermost struct with a field that is being read, for error texts. */
  struct?: StructSchema | undefined;
}

interface MapKey {
  readonly key: string;
}

const MAX_STRICT_ERRORS = 100;

/** The value in its encoded form; undefined for null, which Go reads as "leave the zero value". */
export function decodeValue(schema: Schema, value: unknown, context: DecodeContext): unknown {
  if (value === null || value === undefined) return undefined;
  switch (schema.kind) {
    case "any":
      return value;
    case "scalar":
      return decodeScalar(schema, value, context);
    case "list":
      return decodeList(schema, value, context);
    case "map":
      return decodeMap(schema, value, context);
    case "struct":
      return decodeFields(schema, value, context);
    case "union":
      return decodeUnion(schema, value, context);
  }
}

function decodeList(schema: Schema & { kind: "list" }, value: unknown, context: DecodeContext): unknown[] {
  if (!Array.isArray(value)) throw mismatch(value, schema.goName, context);
  return value.map((item: unknown, index) => {
    context.path.push(index);
    const decoded = decodeValue(schema.items, item, context) ?? zeroValue(schema.items);
    context.path.pop();
    return decoded;
  });
}

function decodeMap(schema: Schema & { kind: "map" }, value: unknown, context: DecodeContext): object {
  if (!isObject(value)) throw mismatch(value, schema.goName, context);
  const out: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    context.path.push({ key });
    setOwn(out, key, decodeValue(schema.values, value[key], context) ?? zeroValue(schema.values));
    context.path.pop();
  }
  return out;
}

function decodeFields(schema: StructSchema, value: unknown, context: DecodeContext): object {
  if (!isObject(value)) throw mismatch(value, schema.goName, context);
  const outer = context.struct;
  const out: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    context.path.push(key);
    const field = schema.fields.get(key);
    if (!field) unknownField(context);
    else {
      context.struct = schema;
      const decoded = decodeValue(field.type, value[key], context);
      if (decoded !== undefined && !(omitsEmpty(field) && isEmpty(decoded))) out[key] = decoded;
    }
    context.path.pop();
  }
  context.struct = outer;
  return addZeroFields(schema, out);
}

function omitsEmpty(field: FieldSchema): boolean {
  return !field.pointer && !field.required && !field.alwaysEncoded && field.type.kind !== "struct";
}

function isEmpty(value: unknown): boolean {
  if (typeof value !== "object") return value === "" || value === 0 || value === false;
  return Array.isArray(value) ? value.length === 0 : Object.keys(value as object).length === 0;
}

/** Fields that Go writes even when they were not given: required ones and structs that are no pointers. */
function addZeroFields(schema: StructSchema, out: Record<string, unknown>): object {
  for (const { name, type } of everWritten(schema)) {
    if (Object.hasOwn(out, name)) continue;
    const zero = zeroValue(type);
    if (zero !== undefined) out[name] = zero;
  }
  return out;
}

const written = new WeakMap<StructSchema, readonly FieldSchema[]>();

function everWritten(schema: StructSchema): readonly FieldSchema[] {
  const known = written.get(schema);
  if (known) return known;
  const fields = [...schema.fields.values()].filter(
    ({ pointer, type, required, alwaysEncoded }) => !pointer && (type.kind === "struct" || required || alwaysEncoded),
  );
  written.set(schema, fields);
  return fields;
}

/** Go's zero value as it is encoded; undefined where that would be null, except lists, which are empty here. */
export function zeroValue(schema: Schema): unknown {
  switch (schema.kind) {
    case "struct":
      return addZeroFields(schema, {});
    case "list":
      return [];
    case "scalar":
      return ZERO[schema.scalar];
    default:
      return undefined;
  }
}

const ZERO: Partial<Record<ScalarSchema["scalar"], unknown>> = {
  string: "",
  bool: false,
  int32: 0,
  int64: 0,
  float64: 0,
  quantity: "0",
  duration: "0s",
};

function decodeUnion(schema: UnionSchema, value: unknown, context: DecodeContext): unknown {
  if (schema.other === "bool" && typeof value === "boolean") return value;
  if (Array.isArray(value) && schema.other === "list") {
    return decodeList({ kind: "list", items: schema.struct, goName: schema.goName }, value, context);
  }
  if (Array.isArray(value) && schema.other === "strings") return value;
  return decodeValue(schema.struct, value, context);
}

function decodeScalar(schema: ScalarSchema, value: unknown, context: DecodeContext): unknown {
  switch (schema.scalar) {
    case "string":
      return typeof value === "string" ? value : fail(value, schema, context);
    case "bool":
      return typeof value === "boolean" ? value : fail(value, schema, context);
    case "int32":
      return decodeInt(value, 2 ** 31, schema, context);
    case "int64":
      return decodeInt(value, 2 ** 63, schema, context);
    case "float64":
      return typeof value === "number" ? value : fail(value, schema, context);
    case "bytes":
      return typeof value === "string" ? decodeBytes(value) : fail(value, schema, context);
    case "time":
      return value === "" ? undefined : normalTime(plainText(value));
    case "microTime":
      return normalMicroTime(plainText(value));
    case "duration":
      return goDuration(plainText(value));
    case "quantity":
      return canonicalQuantity(typeof value === "string" ? value.trim() : JSON.stringify(value));
    case "intOrString":
      return typeof value === "string" ? value : decodeInt(value, 2 ** 31, { ...schema, goName: "int32" }, undefined);
  }
}

function decodeInt(value: unknown, bound: number, schema: ScalarSchema, context: DecodeContext | undefined): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= -bound && value < bound) return value;
  const literal = typeof value === "number" ? `number ${value}` : undefined;
  throw mismatch(value, schema.goName, context, literal);
}

function decodeBytes(text: string): string {
  const clean = text.replaceAll(/[\r\n]/g, "");
  const wrong = /[^A-Za-z0-9+/]/.exec(clean.replace(/={0,2}$/, ""));
  if (wrong) throw new GantryError("invalid", `illegal base64 data at input byte ${wrong.index}`);
  if (clean.length % 4 !== 0) {
    throw new GantryError("invalid", `illegal base64 data at input byte ${clean.length - (clean.length % 4)}`);
  }
  return Buffer.from(clean, "base64").toString("base64");
}

/** Times and durations read a plain JSON string first, with no field in the error. */
function plainText(value: unknown): string {
  if (typeof value === "string") return value;
  throw mismatch(value, "string", undefined);
}

const DURATION =
  /^[+-]?(?:0|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))*$/;

function goDuration(text: string): string {
  if (!DURATION.test(text)) throw new GantryError("invalid", `time: invalid duration ${JSON.stringify(text)}`);
  return text;
}

function fail(value: unknown, schema: ScalarSchema, context: DecodeContext): never {
  throw mismatch(value, schema.goName, context);
}

function mismatch(value: unknown, goName: string, context: DecodeContext | undefined, literal?: string): GantryError {
  const found = literal ?? (Array.isArray(value) ? "array" : typeof value === "boolean" ? "bool" : typeof value);
  // encoding/json keeps neither indexes nor map keys.
  const names = context?.path.filter((part) => typeof part === "string").join(".");
  const target = context?.struct ? `Go struct field ${goStruct(context.struct)}.${names}` : "Go value";
  return new GantryError("invalid", `json: cannot unmarshal ${found} into ${target} of type ${goName}`);
}

/** The struct that the field belongs to, as Go names it (encoding/json, UnmarshalTypeError). */
function goStruct({ goName }: StructSchema): string {
  return goName.slice(goName.indexOf(".") + 1);
}

function unknownField(context: DecodeContext): void {
  if (context.strictErrors.length >= MAX_STRICT_ERRORS) return;
  context.strictErrors.push(`unknown field ${JSON.stringify(fieldPath(context.path))}`);
}

function fieldPath(path: DecodeContext["path"]): string {
  const text = path.map((part) => {
    return typeof part === "number" ? `[${part}]` : `.${typeof part === "string" ? part : part.key}`;
  });
  return text.join("").replace(/^\./, "");
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
