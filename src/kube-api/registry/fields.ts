import type { KubeObject } from "#formats/kube-object.ts";
import { kindSchema, type StructSchema } from "#formats/kube-schema.ts";
import { trackUpdate, type FieldManagement } from "#formats/structured-merge.ts";
import type { Api } from "../api.ts";
import type { RequestContext } from "../context.ts";
import { apiVersionOf, type ResourceDefinition } from "../resources/definition.ts";

/** Keeps metadata.managedFields after a write that is no apply: the manager owns what it changed. */
export function trackFields(
  api: Api,
  context: RequestContext,
  definition: ResourceDefinition,
  subresource: string,
  object: KubeObject,
  old: KubeObject | undefined,
): void {
  const how = fieldManagement(api, context, definition, subresource);
  const entries = how ? trackUpdate(old, object, how) : [];
  if (entries.length > 0) object.metadata.managedFields = entries;
  else delete object.metadata.managedFields;
}

/** Undefined for kinds whose structure is not known. */
export function fieldManagement(
  api: Api,
  { fieldManager }: RequestContext,
  definition: ResourceDefinition,
  subresource: string,
): FieldManagement | undefined {
  const schema = schemaOf(definition);
  if (!schema) return undefined;
  return {
    schema,
    apiVersion: apiVersionOf(definition),
    manager: fieldManager,
    subresource,
    resetFields: resetFields(definition, subresource),
    now: api.clock.now(),
  };
}

/** The structure of a resource's objects. */
export function schemaOf(definition: ResourceDefinition): StructSchema | undefined {
  return definition.custom?.structure ?? kindSchema(definition);
}

/** What a write there does not touch, so that nobody comes to own it by sending it. */
function resetFields(definition: ResourceDefinition, subresource: string): readonly string[] {
  if (!definition.subresources.has("status")) return [];
  if (subresource === "") return STATUS;
  return subresource === "status" ? SPEC : [];
}

const STATUS: readonly string[] = ["status"];
const SPEC: readonly string[] = ["spec"];
