// Validation of custom resources against their schema, in the words of the API server (go-openapi/validate and apiextensions).
import { isJsonObject, sameTree } from "#formats/tree.ts";
import type { FieldFault } from "../status.ts";
import { formatFault } from "./formats.ts";
import type { JsonSchema } from "./schema.ts";

const MAX_FAULTS = 100;

/** Everything wrong with a value; at most 100 faults. */
export function validateCustom(schema: JsonSchema, value: unknown, path: string): FieldFault[] {
  const faults: FieldFault[] = [];
  check(schema, value, path, faults);
  return faults.slice(0, MAX_FAULTS);
}

function add(faults: FieldFault[], path: string, reason: string, message: string): void {
  if (faults.length < MAX_FAULTS) faults.push({ field: path, message, reason });
}

function invalid(faults: FieldFault[], path: string, value: unknown, rule: string): void {
  add(faults, path, "FieldValueInvalid", `Invalid value: ${show(value)}: ${path} in body ${rule}`);
}

function show(value: unknown): string {
  if (isJsonObject(value)) return '"object"';
  return Array.isArray(value) ? '"array"' : JSON.stringify(value);
}

function check(schema: JsonSchema, value: unknown, path: string, faults: FieldFault[]): void {
  if (value === null && schema.nullable === true) return;
  if (!checkType(schema, value, path, faults)) return;
  checkEnum(schema, value, path, faults);
  if (typeof value === "string") checkString(schema, value, path, faults);
  else if (typeof value === "number") checkNumber(schema, value, path, faults);
  else if (Array.isArray(value)) checkList(schema, value, path, faults);
  else if (isJsonObject(value)) checkObject(schema, value, path, faults);
  checkCombined(schema, value, path, faults);
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

/** False when the value is of a wrong type: then nothing else about it is worth saying. */
function checkType(schema: JsonSchema, value: unknown, path: string, faults: FieldFault[]): boolean {
  const actual = typeOf(value);
  if (schema["x-kubernetes-int-or-string"] === true) {
    if (actual === "integer" || actual === "string") return true;
    invalidType(faults, path, "integer,string", actual);
    return false;
  }
  const { type } = schema;
  if (!type || type === actual || (type === "number" && actual === "integer")) return true;
  invalidType(faults, path, type, actual);
  return false;
}

function invalidType(faults: FieldFault[], path: string, wanted: string, actual: string): void {
  const message = `Invalid value: ${JSON.stringify(actual)}: ${path} in body must be of type ${wanted}: ${JSON.stringify(actual)}`;
  add(faults, path, "FieldValueTypeInvalid", message);
}

function checkEnum({ enum: allowed }: JsonSchema, value: unknown, path: string, faults: FieldFault[]): void {
  if (!allowed || allowed.some((one) => sameTree(one, value))) return;
  const list = allowed.map((one) => JSON.stringify(String(one))).join(", ");
  add(faults, path, "FieldValueNotSupported", `Unsupported value: ${show(value)}: supported values: ${list}`);
}

const patterns = new Map<string, RegExp | undefined>();
const MAX_PATTERNS = 1000;

/** A schema's pattern, compiled once; undefined for what is no regular expression here. */
export function patternOf(text: string): RegExp | undefined {
  if (patterns.has(text)) return patterns.get(text);
  if (patterns.size >= MAX_PATTERNS) patterns.clear();
  let compiled: RegExp | undefined;
  try {
    compiled = new RegExp(text, "u");
  } catch {
    // Go's syntax is a little different: without the flag most of the rest is understood.
    compiled = looseRegExp(text);
  }
  patterns.set(text, compiled);
  return compiled;
}

function looseRegExp(text: string): RegExp | undefined {
  try {
    return new RegExp(text.replace(/^\(\?i\)/, ""), text.startsWith("(?i)") ? "i" : "");
  } catch {
    // Refused when the definition is made; an old one matches everything.
    return undefined;
  }
}

function checkString(
  { minLength, maxLength, pattern, format }: JsonSchema,
  value: string,
  path: string,
  faults: FieldFault[],
): void {
  const length = [...value].length;
  if (maxLength !== undefined && length > maxLength)
    add(faults, path, "FieldValueTooLong", `Too long: may not be more than ${maxLength} bytes`);
  if (minLength !== undefined && length < minLength)
    invalid(faults, path, value, `should be at least ${minLength} chars long`);
  if (pattern !== undefined && patternOf(pattern)?.test(value) === false)
    invalid(faults, path, value, `should match '${pattern}'`);
  const fault = format === undefined ? undefined : formatFault(format, value);
  if (fault) invalid(faults, path, value, fault);
}

function checkNumber(schema: JsonSchema, value: number, path: string, faults: FieldFault[]): void {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf, format } = schema;
  if (maximum !== undefined && (exclusiveMaximum ? value >= maximum : value > maximum)) {
    invalid(
      faults,
      path,
      value,
      exclusiveMaximum ? `should be less than ${maximum}` : `should be less than or equal to ${maximum}`,
    );
  }
  if (minimum !== undefined && (exclusiveMinimum ? value <= minimum : value < minimum)) {
    invalid(
      faults,
      path,
      value,
      exclusiveMinimum ? `should be greater than ${minimum}` : `should be greater than or equal to ${minimum}`,
    );
  }
  if (
    multipleOf !== undefined &&
    multipleOf > 0 &&
    Math.abs(value / multipleOf - Math.round(value / multipleOf)) > 1e-9
  ) {
    invalid(faults, path, value, `should be a multiple of ${multipleOf}`);
  }
  if (format === "int32" && (value < -(2 ** 31) || value > 2 ** 31 - 1))
    invalid(faults, path, value, "must be of type int32");
}

function checkList(schema: JsonSchema, value: readonly unknown[], path: string, faults: FieldFault[]): void {
  const { minItems, maxItems, uniqueItems, items } = schema;
  if (maxItems !== undefined && value.length > maxItems)
    add(faults, path, "FieldValueTooMany", `Too many: ${value.length}: must have at most ${maxItems} items`);
  if (minItems !== undefined && value.length < minItems)
    invalid(faults, path, value.length, `should have at least ${minItems} items`);
  const listType = schema["x-kubernetes-list-type"];
  if (listType === "set" || uniqueItems) checkUnique(value, (item) => item, path, faults);
  if (listType === "map") checkUnique(value, (item) => keysOf(schema, item), path, faults);
  if (items) for (const [index, item] of value.entries()) check(items, item, `${path}[${index}]`, faults);
}

function keysOf(schema: JsonSchema, item: unknown): unknown {
  const keys = schema["x-kubernetes-list-map-keys"] ?? [];
  return isJsonObject(item) ? Object.fromEntries(keys.map((key) => [key, item[key]])) : item;
}

function checkUnique(
  value: readonly unknown[],
  keyOf: (item: unknown) => unknown,
  path: string,
  faults: FieldFault[],
): void {
  const seen = new Set<string>();
  for (const [index, item] of value.entries()) {
    const key = JSON.stringify(keyOf(item));
    if (seen.has(key)) add(faults, `${path}[${index}]`, "FieldValueDuplicate", `Duplicate value: ${key}`);
    seen.add(key);
  }
}

function checkObject(
  schema: JsonSchema,
  value: Readonly<Record<string, unknown>>,
  path: string,
  faults: FieldFault[],
): void {
  const { properties = {}, additionalProperties, required = [], minProperties, maxProperties } = schema;
  const count = Object.keys(value).length;
  if (maxProperties !== undefined && count > maxProperties)
    add(faults, path, "FieldValueTooMany", `Too many: ${count}: must have at most ${maxProperties} items`);
  if (minProperties !== undefined && count < minProperties)
    invalid(faults, path, count, `should have at least ${minProperties} properties`);
  const below = (key: string): string => (path === "" ? key : `${path}.${key}`);
  for (const key of required)
    if (!Object.hasOwn(value, key)) add(faults, below(key), "FieldValueRequired", "Required value");
  for (const [key, item] of Object.entries(value)) {
    const own = Object.hasOwn(properties, key) ? properties[key] : undefined;
    if (own) check(own, item, below(key), faults);
    else if (isJsonObject(additionalProperties)) check(additionalProperties, item, below(key), faults);
  }
}

function holds(schema: JsonSchema, value: unknown, path: string): boolean {
  const faults: FieldFault[] = [];
  check(schema, value, path, faults);
  return faults.length === 0;
}

function checkCombined(
  { allOf = [], anyOf, oneOf, not }: JsonSchema,
  value: unknown,
  path: string,
  faults: FieldFault[],
): void {
  for (const part of allOf) check(part, value, path, faults);
  if (anyOf && !anyOf.some((part) => holds(part, value, path))) {
    invalid(faults, path, value, "must validate at least one schema (anyOf)");
  }
  const matching = oneOf?.filter((part) => holds(part, value, path)).length ?? 1;
  if (matching !== 1) {
    const found = matching === 0 ? "Found none valid" : `Found ${matching} valid alternatives`;
    invalid(faults, path, value, `must validate one and only one schema (oneOf). ${found}`);
  }
  if (not && holds(not, value, path)) invalid(faults, path, value, "must not validate the schema (not)");
}
