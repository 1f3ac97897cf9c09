// A custom resource's schema in the form that server-side apply works on.
import { kindSchema, type FieldSchema, type ScalarType, type Schema, type StructSchema } from "#formats/kube-schema.ts";
import { isJsonObject } from "#formats/tree.ts";
import type { JsonSchema } from "./schema.ts";

const ANY: Schema = { kind: "any", goName: "interface {}" };
const SCALARS: Readonly<Record<string, ScalarType>> = {
  string: "string",
  boolean: "bool",
  integer: "int64",
  number: "float64",
};

/** The structure of a whole object: its schema, and the metadata that every object has. */
export function customStructure(kind: string, schema: JsonSchema): StructSchema {
  const own = schema["x-kubernetes-preserve-unknown-fields"] ? {} : (schema.properties ?? {});
  const text: Schema = scalar("string");
  const metadata = kindSchema({ group: "meta.k8s.io", version: "v1", kind: "PartialObjectMetadata" })?.fields.get(
    "metadata",
  );
  const fields = new Map<string, FieldSchema>(Object.entries(own).map(([name, one]) => [name, field(name, one)]));
  fields.set("apiVersion", plain("apiVersion", text));
  fields.set("kind", plain("kind", text));
  if (metadata) fields.set("metadata", metadata);
  return { kind: "struct", name: kind, goName: kind, atomic: false, fields };
}

function scalar(type: ScalarType): Schema {
  return { kind: "scalar", scalar: type, goName: type };
}

function plain(name: string, type: Schema): FieldSchema {
  return { name, type, required: false, pointer: true, alwaysEncoded: false };
}

function field(name: string, schema: JsonSchema): FieldSchema {
  const listType = schema["x-kubernetes-list-type"];
  const mapKeys = schema["x-kubernetes-list-map-keys"];
  const atomic = schema["x-kubernetes-map-type"] === "atomic";
  return {
    ...plain(name, structureOf(name, schema)),
    ...(listType ? { listType } : {}),
    ...(mapKeys ? { listMapKeys: mapKeys } : {}),
    ...(atomic ? { atomicMap: true, atomicStruct: true } : {}),
  };
}

function structureOf(name: string, schema: JsonSchema): Schema {
  if (schema["x-kubernetes-int-or-string"]) return scalar("intOrString");
  const { type = "", items, properties, additionalProperties } = schema;
  const known = SCALARS[type];
  if (known) return scalar(known);
  if (type === "array") return { kind: "list", items: items ? structureOf(name, items) : ANY, goName: `[]${name}` };
  if (type !== "object" || schema["x-kubernetes-preserve-unknown-fields"]) return ANY;
  if (isJsonObject(additionalProperties))
    return { kind: "map", values: structureOf(name, additionalProperties), goName: `map[string]${name}` };
  if (!properties) return ANY;
  const fields = new Map(Object.entries(properties).map(([key, one]) => [key, field(key, one)]));
  return { kind: "struct", name, goName: name, atomic: schema["x-kubernetes-map-type"] === "atomic", fields };
}
