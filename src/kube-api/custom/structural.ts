import { isJsonObject } from "#formats/tree.ts";
import type { FieldFault } from "../status.ts";
import type { JsonSchema } from "./schema.ts";
import { patternOf } from "./validate.ts";

const TYPES = new Set(["string", "integer", "number", "boolean", "array", "object"]);
const MAX_DEPTH = 100;

/** What keeps a schema from being structural (apiextensions, schema/validation.go). */
export function schemaFaults(schema: JsonSchema, path: string): FieldFault[] {
  const faults: FieldFault[] = [];
  if (schema.type !== "object")
    faults.push(
      fault(
        `${path}.type`,
        "FieldValueInvalid",
        `Invalid value: ${JSON.stringify(schema.type ?? "")}: must be object at the root`,
      ),
    );
  walk(schema, path, faults, 0, true);
  return faults;
}

function fault(field: string, reason: string, message: string): FieldFault {
  return { field, reason, message };
}

function walk(schema: JsonSchema, path: string, faults: FieldFault[], depth: number, root: boolean): void {
  if (depth > MAX_DEPTH || faults.length > 100) return;
  const { type, properties, additionalProperties, items, pattern } = schema;
  const free = schema["x-kubernetes-int-or-string"] || schema["x-kubernetes-preserve-unknown-fields"];
  if (!type && !free && !root)
    faults.push(
      fault(`${path}.type`, "FieldValueRequired", "Required value: must not be empty for specified object fields"),
    );
  if (type && !TYPES.has(type))
    faults.push(
      fault(
        `${path}.type`,
        "FieldValueNotSupported",
        `Unsupported value: ${JSON.stringify(type)}: supported values: "array", "boolean", "integer", "number", "object", "string"`,
      ),
    );
  if (type === "array" && !items)
    faults.push(fault(`${path}.items`, "FieldValueRequired", "Required value: must be specified"));
  if (properties && additionalProperties !== undefined)
    faults.push(
      fault(
        `${path}.additionalProperties`,
        "FieldValueForbidden",
        "Forbidden: additionalProperties and properties are mutual exclusive",
      ),
    );
  if (pattern !== undefined && !patternOf(pattern))
    faults.push(
      fault(
        `${path}.pattern`,
        "FieldValueInvalid",
        `Invalid value: ${JSON.stringify(pattern)}: must be a valid regular expression`,
      ),
    );
  if (schema["x-kubernetes-list-type"] === "map" && !schema["x-kubernetes-list-map-keys"]?.length) {
    faults.push(
      fault(
        `${path}.x-kubernetes-list-map-keys`,
        "FieldValueRequired",
        "Required value: must not be empty if x-kubernetes-list-type is map",
      ),
    );
  }
  for (const [key, one] of Object.entries(properties ?? {}))
    walk(
      one,
      `${path}.properties[${key}]`,
      faults,
      depth + 1,
      root && (key === "metadata" || key === "kind" || key === "apiVersion"),
    );
  if (items) walk(items, `${path}.items`, faults, depth + 1, false);
  if (isJsonObject(additionalProperties))
    walk(additionalProperties as JsonSchema, `${path}.additionalProperties`, faults, depth + 1, false);
}
