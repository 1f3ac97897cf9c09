import type { KubeObject } from "#formats/kube-object.ts";
import { storedForm, type ResourceDefinition } from "../resources/definition.ts";
import { tooLarge } from "../status.ts";
import { encodeDocument } from "./document.ts";

/** etcd's limit on a request, which clients know as the limit on an object. */
const MAX_OBJECT_BYTES = 1.5 * 2 ** 20;

/** The bytes to store. Refuses what etcd would refuse, in its words. */
export function encodeForStore(object: KubeObject): Uint8Array {
  const bytes = encodeDocument(object);
  if (bytes.byteLength > MAX_OBJECT_BYTES) throw tooLarge("etcdserver: request is too large");
  return bytes;
}

/** To the form that is stored. */
export function toStored(definition: ResourceDefinition, object: KubeObject): KubeObject {
  return definition.stored ? definition.stored.conversion.toStored(object) : object;
}

/** From the form that is stored. */
export function fromStored(definition: ResourceDefinition, object: KubeObject): KubeObject {
  return definition.stored ? definition.stored.conversion.fromStored(object) : object;
}

/** The store's put for an object's bytes. */
export function putOperation(definition: ResourceDefinition, key: string, value: Uint8Array, expect: number) {
  const { ttlMs } = storedForm(definition);
  return { kind: "put", key, value, expect, ...(ttlMs === undefined ? {} : { ttlMs }) } as const;
}
