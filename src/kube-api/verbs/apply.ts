import { isGantryError } from "#base/errors.ts";
import type { FieldValidation } from "#formats/kube-decode.ts";
import type { KubeObject } from "#formats/kube-object.ts";
import type { StatusCause } from "#formats/kube-types.generated.ts";
import { applyConfiguration, type Applied, type FieldManagement } from "#formats/structured-merge.ts";
import type { Api } from "../api.ts";
import type { RequestContext } from "../context.ts";
import type { PatchRequest } from "../options.ts";
import type { Document } from "../registry/document.ts";
import { fieldManagement } from "../registry/fields.ts";
import { readObject, type Body } from "../registry/input.ts";
import { fromStored } from "../registry/write.ts";
import { storedForm } from "../resources/definition.ts";
import type { ObjectRef } from "../service.ts";
import { applyConflict, badRequest, notFound, unsupportedMediaType } from "../status.ts";
import { create } from "./create.ts";
import { find } from "./get.ts";
import { update } from "./update.ts";

/**
 * Server-side apply: merges a configuration into the object, which it makes when it is absent. `created` says which.
 * Fails with conflict (with its causes) when another manager owns a field and `force` is not set.
 */
export async function apply(
  api: Api,
  context: RequestContext,
  ref: ObjectRef,
  request: PatchRequest,
  validation: FieldValidation,
): Promise<{ readonly document: Document; readonly created: boolean }> {
  const { definition, namespace, name, subresource } = ref;
  const stored = storedForm(definition);
  const how = fieldManagement(api, context, definition, subresource);
  if (!how)
    throw unsupportedMediaType(["application/json-patch+json", "application/merge-patch+json"], definition.kind);
  // Reading the configuration as an object first finds unknown fields, and what is no configuration at all.
  readObject(context, definition, { value: request.body }, validation);
  const config = configurationOf(ref, request.body);
  const present = await find(api, stored, namespace, name);
  if (!present && subresource !== "") throw notFound(definition, name);
  if (!present) {
    const made = merge(undefined, config, how, request);
    const object = readObject(context, definition, { value: made.object }, "Ignore");
    return { document: await create(api, context, stored, namespace, object, { applied: true }), created: true };
  }
  const document = await update(
    api,
    context,
    { definition: stored, namespace, name, subresource, applied: true },
    (current) => {
      const live = fromStored(definition, current);
      const merged = merge(live, config, how, request);
      if (!merged.changed) return current;
      const object = readObject(context, definition, { value: merged.object } satisfies Body, "Ignore");
      if (!config.metadata.resourceVersion) delete object.metadata.resourceVersion;
      return object;
    },
  );
  return { document, created: false };
}

function configurationOf({ definition, name, namespace }: ObjectRef, body: unknown): KubeObject {
  const config = body as KubeObject;
  const metadata = { ...config.metadata };
  if (metadata.name && metadata.name !== name) {
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
  }
  metadata.name = name;
  if (definition.namespaced) metadata.namespace ??= namespace;
  return { ...config, metadata };
}

function merge(
  live: KubeObject | undefined,
  config: KubeObject,
  how: FieldManagement,
  { force = false }: PatchRequest,
): Applied {
  try {
    return applyConfiguration(live, config, how, force);
  } catch (error) {
    if (!isGantryError(error, "conflict")) throw error;
    const causes = error.details["causes"];
    throw applyConflict(error.message, Array.isArray(causes) ? (causes as StatusCause[]) : []);
  }
}
