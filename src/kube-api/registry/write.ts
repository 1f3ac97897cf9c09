import type { KubeObject } from "#formats/kube-object.ts";
import { storedForm, type ResourceDefinition } from "../resources/definition.ts";
import { internalError, tooLarge } from "../status.ts";
import type { CommitResult, PutOperation } from "#store/store.ts";
import { documentOf, encodeDocument, type Document, type Encoded } from "./document.ts";

/** etcd's limit on a request, which clients know as the limit on an object. */
const MAX_OBJECT_BYTES = 1.5 * 2 ** 20;

/** The bytes to store. Refuses what etcd would refuse, in its words. */
export function encodeForStore(object: KubeObject): Encoded {
  const encoded = encodeDocument(object);
  if (encoded.bytes.byteLength > MAX_OBJECT_BYTES) throw tooLarge("etcdserver: request is too large");
  return encoded;
}

/** To the form that is stored. */
export function toStored(definition: ResourceDefinition, object: KubeObject): KubeObject {
  return definition.stored ? definition.stored.conversion.toStored(object) : object;
}

/** From the form that is stored. */
export function fromStored(definition: ResourceDefinition, object: KubeObject): KubeObject {
  return definition.stored ? definition.stored.conversion.fromStored(object) : object;
}

/** The store's put for an encoded object. */
export function putOperation(
  definition: ResourceDefinition,
  key: string,
  { bytes, object }: Encoded,
  expect: number,
): PutOperation {
  const { ttlMs } = storedForm(definition);
  return { kind: "put", key, value: bytes, expect, decoded: object, ...(ttlMs === undefined ? {} : { ttlMs }) };
}

/** The document that a put left in the store. */
export function committedDocument({ current }: CommitResult & { readonly kind: "committed" }): Document {
  if (!current) throw internalError("a put left nothing in the store");
  return documentOf(current);
}
