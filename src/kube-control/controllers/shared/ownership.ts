import type { KubeObject, Resource } from "#formats/kube-object.ts";
import type { OwnerReference } from "#formats/kube-types.generated.ts";

/** The reference of an object to the controller that manages it; there is at most one. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true);
}

/** A reference that makes `owner` the controller of an object. */
export function controllerReference(resource: Resource, owner: KubeObject): OwnerReference {
  return {
    apiVersion: apiVersionOf(resource),
    kind: resource.kind,
    name: owner.metadata.name ?? "",
    uid: owner.metadata.uid ?? "",
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** `v1`, `apps/v1`. */
export function apiVersionOf({ group, version }: Resource): string {
  return group === "" ? version : `${group}/${version}`;
}

/** The key of the controller of an object when it is of `resource`; for turning a pod's event into its owner's key. */
export function controllerKey(resource: Resource, object: KubeObject): string | undefined {
  const owner = controllerOf(object);
  if (!owner || owner.kind !== resource.kind || groupOf(owner.apiVersion) !== resource.group) return undefined;
  return `${object.metadata.namespace ?? ""}/${owner.name}`;
}

/** `apps` of `apps/v1`; "" of `v1`. */
export function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf("/");
  return slash < 0 ? "" : apiVersion.slice(0, slash);
}

/** Index of objects by the uid of their controller. */
export const BY_CONTROLLER = "controller-uid";

export function indexByController(object: KubeObject): readonly string[] {
  const owner = controllerOf(object);
  return owner ? [owner.uid] : [];
}

/** Index of objects that nobody controls, by namespace: those that a selector may adopt. */
export const ORPHANS = "orphans";

export function indexOrphans(object: KubeObject): readonly string[] {
  return controllerOf(object) ? [] : [object.metadata.namespace ?? ""];
}
