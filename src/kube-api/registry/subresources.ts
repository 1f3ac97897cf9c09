import type { KubeObject } from "#formats/kube-object.ts";
import type { ResourceDefinition } from "../resources/definition.ts";

type Merge = (wanted: KubeObject, old: KubeObject) => KubeObject;

type WithParts = KubeObject & { status?: unknown; spec?: Record<string, unknown> };

/** Only the status, and labels, annotations and finalizers. */
const status: Merge = (wanted, old) => {
  const { ownerReferences: _, ...metadata } = wanted.metadata;
  const owners = old.metadata.ownerReferences;
  return {
    ...old,
    metadata: { ...metadata, ...(owners ? { ownerReferences: owners } : {}) },
    ...statusOf(wanted),
  } as KubeObject;
};

function statusOf(object: KubeObject): { status?: unknown } {
  const value = (object as WithParts).status;
  return { status: value };
}

/** Only some fields of the spec. */
const specFields =
  (...names: readonly string[]): Merge =>
  (wanted, old) => {
    const spec = { ...(old as WithParts).spec };
    for (const name of names) {
      const value = (wanted as WithParts).spec?.[name];
      if (value === undefined) delete spec[name];
      else spec[name] = value;
    }
    return { ...old, metadata: { ...old.metadata }, spec } as KubeObject;
  };

/** Containers' resources and resize policies, matched by name. */
const resize: Merge = (wanted, old) => {
  const resized = (list: unknown, now: unknown): unknown[] =>
    asContainers(list).map((container) => {
      const match = asContainers(now).find(({ name }) => name === container["name"]);
      return match ? { ...container, resources: match["resources"], resizePolicy: match["resizePolicy"] } : container;
    });
  const before = (old as WithParts).spec ?? {};
  const after = (wanted as WithParts).spec ?? {};
  const spec = { ...before, containers: resized(before["containers"], after["containers"]) };
  const init = before["initContainers"]
    ? { initContainers: resized(before["initContainers"], after["initContainers"]) }
    : {};
  return { ...old, metadata: { ...old.metadata }, spec: { ...spec, ...init } } as KubeObject;
};

function asContainers(list: unknown): Record<string, unknown>[] {
  return Array.isArray(list) ? (list as Record<string, unknown>[]) : [];
}

const MERGES: Readonly<Record<string, Merge>> = {
  status,
  ephemeralcontainers: specFields("ephemeralContainers"),
  resize,
  finalize: specFields("finalizers"),
  approval: (wanted, old) => ({ ...old, metadata: { ...wanted.metadata }, ...statusOf(wanted) }) as KubeObject,
};

/**
 * What a write to a subresource may change of the object: the rest stays as it is. A write to the object itself leaves
 * the status alone where that is a subresource.
 */
export function mergeSubresource(
  definition: ResourceDefinition,
  subresource: string,
  wanted: KubeObject,
  old: KubeObject,
): KubeObject {
  const merge = MERGES[subresource];
  if (merge) return dropUndefined(merge(wanted, old));
  if (subresource !== "" || !definition.subresources.has("status")) return wanted;
  return dropUndefined({ ...wanted, status: (old as WithParts).status } as KubeObject);
}

function dropUndefined(object: KubeObject): KubeObject {
  const parts = object as WithParts;
  if (parts.status === undefined) delete parts.status;
  return object;
}
