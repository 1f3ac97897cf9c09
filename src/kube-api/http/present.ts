// Documents in the form that the client asked for.
import type { KubeObject } from "#formats/kube-object.ts";
import type { Document } from "../registry/document.ts";
import { fromStored } from "../registry/write.ts";
import { apiVersionOf, type ResourceDefinition } from "../resources/definition.ts";
import type { DocumentList } from "../verbs/list.ts";
import type { Form } from "./negotiation.ts";

const META_V1 = "meta.k8s.io/v1";

/** The bytes of one object. Plain objects in stored form are shared, others are made. */
export function objectBytes(definition: ResourceDefinition, document: Document, as: Form["as"]): Uint8Array {
  if (as === "PartialObjectMetadata") return jsonBytes(partialMetadata(document.object));
  return definition.stored ? jsonBytes(fromStored(definition, document.object)) : document.bytes;
}

/** The parts of a list's text. */
export function listParts(definition: ResourceDefinition, list: DocumentList, as: Form["as"]): Uint8Array[] {
  const partial = as === "PartialObjectMetadata";
  const head = {
    kind: partial ? "PartialObjectMetadataList" : `${definition.kind}List`,
    apiVersion: partial ? META_V1 : apiVersionOf(definition),
    metadata: listMetadata(list),
  };
  const parts: Uint8Array[] = [Buffer.from(`${JSON.stringify(head).slice(0, -1)},"items":[`)];
  for (const [index, document] of list.documents.entries()) {
    if (index > 0) parts.push(COMMA);
    parts.push(objectBytes(definition, document, as));
  }
  parts.push(LIST_END);
  return parts;
}

/** A list's metadata. */
export function listMetadata(list: DocumentList) {
  return {
    resourceVersion: String(list.revision),
    ...(list.continue === undefined ? {} : { continue: list.continue }),
    ...(list.remaining === undefined ? {} : { remainingItemCount: list.remaining }),
  };
}

export function partialMetadata({ metadata }: KubeObject): object {
  return { kind: "PartialObjectMetadata", apiVersion: META_V1, metadata };
}

export function jsonBytes(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

const COMMA = Buffer.from(",");
const LIST_END = Buffer.from("]}\n");
