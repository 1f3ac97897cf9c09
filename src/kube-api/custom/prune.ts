import { copyTree, isJsonObject, setOwn } from "#formats/tree.ts";
import type { JsonSchema } from "./schema.ts";

/** A value without what its schema does not know; `unknown` collects the paths that went. */
export function prune(schema: JsonSchema, value: unknown, unknown: string[], path = ""): unknown {
  if (Array.isArray(value)) {
    const { items } = schema;
    return items ? value.map((item, index) => prune(items, item, unknown, `${path}[${index}]`)) : copyTree(value);
  }
  if (!isJsonObject(value)) return value;
  return pruneObject(schema, value, unknown, path);
}

const EMBEDDED = new Set(["apiVersion", "kind", "metadata"]);

function pruneObject(
  schema: JsonSchema,
  value: Record<string, unknown>,
  unknown: string[],
  path: string,
): Record<string, unknown> {
  const { properties, additionalProperties } = schema;
  const preserve = schema["x-kubernetes-preserve-unknown-fields"] === true;
  const embedded = schema["x-kubernetes-embedded-resource"] === true;
  const out: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    const where = path === "" ? key : `${path}.${key}`;
    const own = properties && Object.hasOwn(properties, key) ? properties[key] : undefined;
    if (own) setOwn(out, key, prune(own, item, unknown, where));
    else if (isJsonObject(additionalProperties)) setOwn(out, key, prune(additionalProperties, item, unknown, where));
    else if (preserve || additionalProperties === true || (embedded && EMBEDDED.has(key)))
      setOwn(out, key, copyTree(item));
    else if (unknown.length < MAX_UNKNOWN) unknown.push(where);
  }
  return out;
}

const MAX_UNKNOWN = 100;

/** Sets defaults of absent (and of null, where null is not allowed) properties, in place. */
export function applyCustomDefaults(schema: JsonSchema, value: unknown): void {
  if (Array.isArray(value)) {
    if (schema.items) for (const item of value) applyCustomDefaults(schema.items, item);
    return;
  }
  if (!isJsonObject(value)) return;
  for (const [key, own] of Object.entries(schema.properties ?? {})) {
    const present = Object.hasOwn(value, key) ? value[key] : undefined;
    if (present === null && own.nullable !== true && own.default !== undefined)
      setOwn(value, key, copyTree(own.default));
    else if (present === undefined && own.default !== undefined) setOwn(value, key, copyTree(own.default));
    if (Object.hasOwn(value, key)) applyCustomDefaults(own, value[key]);
  }
  const { additionalProperties, properties = {} } = schema;
  if (!isJsonObject(additionalProperties)) return;
  for (const [key, item] of Object.entries(value))
    if (!Object.hasOwn(properties, key)) applyCustomDefaults(additionalProperties, item);
}

/** Takes nulls out where null is not allowed and no default stands in, as the API server does on reading. */
export function dropNulls(schema: JsonSchema, value: unknown): void {
  if (Array.isArray(value)) {
    if (schema.items) for (const item of value) dropNulls(schema.items, item);
    return;
  }
  if (!isJsonObject(value)) return;
  for (const [key, own] of Object.entries(schema.properties ?? {})) {
    if (!Object.hasOwn(value, key)) continue;
    if (
      value[key] === null &&
      own.nullable !== true &&
      own.default === undefined &&
      own["x-kubernetes-preserve-unknown-fields"] !== true
    )
      delete value[key];
    else dropNulls(own, value[key]);
  }
}
