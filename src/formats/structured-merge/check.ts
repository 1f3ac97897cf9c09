import { GantryError } from "#base/errors.ts";
import type { KubeObject } from "../kube-object.ts";
import type { Schema, StructSchema } from "../kube-schema.ts";
import { decodeValue } from "../kube-schema/decode.ts";
import { isJsonObject, setOwn } from "../tree.ts";
import { formatPath } from "./field-set.ts";

/**
 * Checks an applied configuration against its schema and brings its values into canonical form (`0.5` of CPU is `500m`),
 * so that equal values never conflict. Adds nothing. Throws `invalid` with the text of a failed typed conversion.
 */
export function checkConfiguration(config: KubeObject, how: { schema: StructSchema; apiVersion: string }): unknown {
  const { namespace, name } = config.metadata;
  const prefix = `failed to create typed patch object (${namespace ?? ""}/${name ?? ""}; ${how.apiVersion}, Kind=${config.kind ?? ""})`;
  const errors: string[] = [];
  const checked = check(config, how.schema, [], errors);
  if (errors.length === 0) return checked;
  const text = errors.length === 1 ? (errors[0] ?? "") : `errors:\n${errors.map((error) => `  ${error}`).join("\n")}`;
  throw new GantryError("invalid", `${prefix}: ${text}`);
}

function check(value: unknown, schema: Schema, path: readonly string[], errors: string[]): unknown {
  if (value === null) return null;
  switch (schema.kind) {
    case "struct":
      return checkStruct(value, schema, path, errors);
    case "map": {
      if (!isJsonObject(value)) return wrong("map", value, path, errors);
      const out: Record<string, unknown> = {};
      for (const key of Object.keys(value))
        setOwn(out, key, check(value[key], schema.values, [...path, `f:${key}`], errors));
      return out;
    }
    case "list":
      if (!Array.isArray(value)) return wrong("list", value, path, errors);
      return value.map((item: unknown, index) => check(item, schema.items, [...path, `i:${index}`], errors));
    case "scalar":
      return checkScalar(value, schema, path, errors);
    default:
      return value;
  }
}

function checkStruct(value: unknown, schema: StructSchema, path: readonly string[], errors: string[]): unknown {
  if (!isJsonObject(value)) return wrong("map", value, path, errors);
  const out: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    const field = schema.fields.get(key);
    const below = [...path, `f:${key}`];
    if (field) setOwn(out, key, check(value[key], field.type, below, errors));
    else errors.push(`${formatPath(below)}: field not declared in schema`);
  }
  return out;
}

function checkScalar(value: unknown, schema: Schema, path: readonly string[], errors: string[]): unknown {
  if (typeof value === "object") return wrong("scalar", value, path, errors);
  try {
    return decodeValue(schema, value, { path: [], strictErrors: [] });
  } catch (error) {
    if (!(error instanceof GantryError)) throw error;
    errors.push(`${formatPath(path)}: ${error.message}`);
    return value;
  }
}

function wrong(wanted: string, value: unknown, path: readonly string[], errors: string[]): unknown {
  errors.push(`${formatPath(path)}: expected ${wanted}, got ${JSON.stringify(value)}`);
  return value;
}
