import type { Api } from "../api.ts";
import { documentOf, type Document } from "../registry/document.ts";
import { keyOf } from "../registry/keys.ts";
import type { ResourceDefinition } from "../resources/definition.ts";
import { notFound } from "../status.ts";

/** The object as it is now, in its stored form. */
export async function get(
  api: Api,
  definition: ResourceDefinition,
  namespace: string,
  name: string,
): Promise<Document> {
  const document = await find(api, definition, namespace, name);
  if (!document) throw notFound(definition, name);
  return document;
}

export async function find(
  api: Api,
  definition: ResourceDefinition,
  namespace: string,
  name: string,
): Promise<Document | undefined> {
  const entry = await api.store.get(keyOf(definition, namespace, name));
  return entry ? documentOf(entry) : undefined;
}
