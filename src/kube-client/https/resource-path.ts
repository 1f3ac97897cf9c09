import type { Resource } from "#formats/kube-object.ts";
import type { Selectors } from "../client.ts";

/** The URL path of a collection, an object, or an object's subresource. */
export function resourcePath(
  resource: Resource,
  namespace: string | undefined,
  name?: string,
  subresource?: string,
): string {
  const base = resource.group === "" ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
  const parts = [base];
  if (resource.namespaced && namespace !== undefined) parts.push("namespaces", encodeURIComponent(namespace));
  parts.push(resource.resource);
  if (name !== undefined) parts.push(encodeURIComponent(name));
  // A subresource may have slashes: `proxy/healthz`.
  if (subresource !== undefined) parts.push(subresource.split("/").map(encodeURIComponent).join("/"));
  return parts.join("/");
}

/** A query string with its question mark; undefined values are left out. */
export function queryString(values: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) if (value !== undefined) query.set(key, String(value));
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}

/** Selectors as query parameters. */
export function selectorQuery(selectors: Selectors): Record<string, string | undefined> {
  return { labelSelector: selectors.labelSelector, fieldSelector: selectors.fieldSelector };
}
