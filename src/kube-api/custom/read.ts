import { decodeStruct, type FieldValidation } from "#formats/kube-decode.ts";
import type { KubeObject } from "#formats/kube-object.ts";
import { kindSchema } from "#formats/kube-schema.ts";
import { isJsonObject } from "#formats/tree.ts";
import type { CustomResource } from "../resources/definition.ts";
import { badRequest } from "../status.ts";
import { applyCustomDefaults, dropNulls, prune } from "./prune.ts";
import type { JsonSchema } from "./schema.ts";

/** A body as a custom object: without what its schema does not know, with defaults. `warn` gets what went. */
export function readCustom(
  { schema }: CustomResource,
  kind: string,
  value: Record<string, unknown>,
  validation: FieldValidation,
  duplicates: readonly string[],
  warn: (text: string) => void,
): KubeObject {
  const unknown: string[] = [];
  const { metadata: given, apiVersion: _, kind: __, ...content } = value;
  if (given !== undefined && !isJsonObject(given))
    throw badRequest(`${kind} cannot be handled: metadata must be an object`);
  const pruned = prune(withoutMeta(schema), content, unknown) as Record<string, unknown>;
  if (validation !== "Ignore") {
    const complaints = [...duplicates, ...unknown.map((path) => `unknown field ${JSON.stringify(path)}`)];
    if (validation === "Strict" && complaints.length > 0) {
      throw badRequest(`strict decoding error: ${complaints.join(", ")}`);
    }
    for (const complaint of complaints) warn(complaint);
  }
  dropNulls(schema, pruned);
  applyCustomDefaults(withoutMeta(schema), pruned);
  const shape = kindSchema({ group: "meta.k8s.io", version: "v1", kind: "PartialObjectMetadata" })?.fields.get(
    "metadata",
  )?.type;
  const metadata = shape?.kind === "struct" ? (decodeStruct(shape, given ?? {}) as KubeObject["metadata"]) : {};
  return { ...pruned, metadata };
}

/** The schema of what is neither type nor metadata: those are decoded as for any object. */
function withoutMeta(schema: JsonSchema): JsonSchema {
  const { apiVersion: _, kind: __, metadata: ___, ...properties } = schema.properties ?? {};
  return { ...schema, properties };
}
