import { isGantryError } from "#base/errors.ts";
import type { FieldValidation } from "#formats/kube-decode.ts";
import type { KubeObject } from "#formats/kube-object.ts";
import { applyJsonPatch, readJsonPatch } from "#formats/json-patch.ts";
import { applyMergePatch } from "#formats/merge-patch.ts";
import { applyStrategicMergePatch } from "#formats/strategic-merge.ts";
import { isJsonObject } from "#formats/tree.ts";
import type { Api } from "../api.ts";
import type { RequestContext } from "../context.ts";
import type { PatchRequest } from "../options.ts";
import type { Document } from "../registry/document.ts";
import { schemaOf } from "../registry/fields.ts";
import { readObject } from "../registry/input.ts";
import { fromStored } from "../registry/write.ts";
import { storedForm, type ResourceDefinition } from "../resources/definition.ts";
import { badRequest, failure, unsupportedMediaType } from "../status.ts";
import { update } from "./update.ts";

/** Changes an object by a JSON, merge or strategic merge patch against its served form. */
export async function patch(
  api: Api,
  context: RequestContext,
  served: ResourceDefinition,
  namespace: string,
  name: string,
  subresource: string,
  request: PatchRequest,
  validation: FieldValidation,
): Promise<Document> {
  const apply = patcher(served, request);
  const target = { definition: storedForm(served), namespace, name, subresource };
  return update(api, context, target, (current) => {
    const before = fromStored(served, current);
    const after = apply(before);
    if (!isJsonObject(after)) throw badRequest("the patch does not leave an object");
    // A patch that names no revision is applied to the newest one; naming one is the caller's precondition.
    const { resourceVersion } = before.metadata;
    const patched = readObject(context, served, { value: after }, validation);
    if (patched.metadata.resourceVersion === resourceVersion) delete patched.metadata.resourceVersion;
    return patched;
  });
}

function patcher(served: ResourceDefinition, { type, body }: PatchRequest): (before: KubeObject) => unknown {
  switch (type) {
    case "json": {
      const operations = readJsonPatch(body);
      return (before) => unprocessable(() => applyJsonPatch(before, operations));
    }
    case "merge":
      if (!isJsonObject(body)) throw badRequest("the body of a merge patch must be an object");
      return (before) => applyMergePatch(before, body);
    case "strategic":
      return strategic(served, body);
    case "apply":
      throw badRequest("apply is no patch of an existing object");
  }
}

function strategic(served: ResourceDefinition, body: unknown): (before: KubeObject) => unknown {
  const schema = schemaOf(served);
  if (!schema)
    throw unsupportedMediaType(
      ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"],
      served.kind,
    );
  return (before) => unprocessable(() => applyStrategicMergePatch(before, body, schema));
}

/** A patch that parses but does not apply is a 422 (k8s.io/apiserver endpoints/handlers/patch.go). */
function unprocessable<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!isGantryError(error, "invalid") || error.details["status"]) throw error;
    if (error.details["reason"] === "BadRequest") throw badRequest(error.message);
    throw failure({
      code: "invalid",
      http: 422,
      reason: "Invalid",
      message: `the server rejected our request due to an error in our request: ${error.message}`,
    });
  }
}
