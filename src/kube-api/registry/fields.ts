import type { KubeObject } from "#formats/kube-object.ts";
import type { Api } from "../api.ts";
import type { RequestContext } from "../context.ts";
import type { ResourceDefinition } from "../resources/definition.ts";

/** Keeps metadata.managedFields: who set which field (server-side apply). */
export function trackFields(
  _api: Api,
  _context: RequestContext,
  _definition: ResourceDefinition,
  _subresource: string,
  object: KubeObject,
  old: KubeObject | undefined,
): void {
  const before = old?.metadata.managedFields;
  if (before) object.metadata.managedFields = before;
  else delete object.metadata.managedFields;
}
