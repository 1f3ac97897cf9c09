import { createHash } from "node:crypto";
import { loadDescriptions, openApiV2, openApiV3, openApiV3Index, type ServedResource } from "#formats/openapi.ts";
import type { ResourceDefinition } from "../resources/definition.ts";
import type { ResourceTable } from "../resources/table.ts";
import { VERSION } from "../version.ts";

/** OpenAPI documents as JSON text, made when first asked for, and anew when resources come or go. */
export interface OpenApi {
  /** The document at `/openapi/v2`, `/openapi/v3`, `/openapi/v3/api/v1` or `/openapi/v3/apis/GROUP/VERSION`; undefined: no such path. */
  document(path: string): Promise<Uint8Array | undefined>;
}

export function openApiDocuments(table: ResourceTable): OpenApi {
  const cache = new Map<string, Promise<Uint8Array | undefined>>();
  table.changed.on(() => cache.clear());
  const make = async (path: string): Promise<Uint8Array | undefined> => {
    const all = table.all().map(servedResource);
    if (path === "/openapi/v3") return text(openApiV3Index(all, (one) => hashOf(all, one)));
    if (path === "/openapi/v2") return text(openApiV2(all, VERSION.gitVersion, await loadDescriptions()));
    const wanted = path.startsWith("/openapi/v3/") ? path.slice("/openapi/v3/".length) : "";
    const resources = all.filter((resource) => documentPath(resource) === wanted);
    return resources.length === 0
      ? undefined
      : text(openApiV3(resources, VERSION.gitVersion, await loadDescriptions()));
  };
  return {
    document(path) {
      const known = cache.get(path);
      if (known) return known;
      const made = make(path);
      // Only paths that lead somewhere are remembered: clients may ask for any.
      cache.set(path, made);
      made.then(
        (document) => document ?? cache.delete(path),
        () => cache.delete(path),
      );
      return made;
    },
  };
}

function text(document: object): Uint8Array {
  return Buffer.from(JSON.stringify(document));
}

function documentPath({ group, version }: ServedResource): string {
  return group === "" ? `api/${version}` : `apis/${group}/${version}`;
}

function servedResource({ custom, ...definition }: ResourceDefinition): ServedResource {
  return custom ? { ...definition, openApiSchema: custom.openApiSchema } : definition;
}

/** Changes when the document would: built-in types are as old as the program. */
function hashOf(all: readonly ServedResource[], path: string): string {
  const hash = createHash("sha512").update(VERSION.gitVersion);
  for (const resource of all) {
    if (documentPath(resource) !== path) continue;
    hash.update(JSON.stringify([resource.resource, resource.kind, resource.verbs, resource.openApiSchema ?? null]));
  }
  return hash.digest("hex").toUpperCase();
}
