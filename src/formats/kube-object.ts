import type { ObjectMeta } from "./kube-types.generated.ts";

/** Any Kubernetes object as its JSON document. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
}

/** A resource of the API: `pods` of the core group is `{group: "", version: "v1", resource: "pods"}`. */
export interface Resource {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

/** Names a resource with its document type, so that clients are typed: `RESOURCES.pods` is `Typed<Pod>`. */
export interface Typed<T extends KubeObject> extends Resource {
  /** Only for inference; never there at run time. */
  readonly $type?: T;
}

/** `namespace/name`, or `name` for cluster-scoped objects: the key of work queues and caches. */
export function objectKey(object: KubeObject): string {
  const { namespace, name } = object.metadata;
  return namespace ? `${namespace}/${name ?? ""}` : (name ?? "");
}

/** The parts of an object key. */
export function splitKey(key: string): { namespace: string | undefined; name: string } {
  const slash = key.indexOf("/");
  return slash < 0
    ? { namespace: undefined, name: key }
    : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
