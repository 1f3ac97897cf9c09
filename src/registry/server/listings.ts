import { OCI_INDEX } from "#formats/image-media-types.ts";
import type { Digest } from "#formats/digest.ts";
import { answerBytes, answerJson, repositoryOf, unsupported, type Call } from "./call.ts";
import { RegistryError } from "./registry-error.ts";

/** Names in one answer, at most; more come with the next page. */
const MAX_PAGE = 10_000;

export function serveTags(call: Call, name: string): void {
  requireGet(call);
  const tags = [...repositoryOf(call, name).tags.keys()].sort();
  const page = pageOf(call, tags, `/v2/${name}/tags/list`);
  answerJson(call, { name, tags: page.names }, page.headers);
}

export function serveCatalog(call: Call): void {
  requireGet(call);
  const page = pageOf(call, call.registry.repositories.names(), "/v2/_catalog");
  answerJson(call, { repositories: page.names }, page.headers);
}

function requireGet({ request }: Call): void {
  if (request.method !== "GET" && request.method !== "HEAD") throw unsupported();
}

/** `n` names after `last`, and where the next ones are (distribution-spec, "Listing Tags"). */
function pageOf(
  { query }: Call,
  names: readonly string[],
  path: string,
): { names: readonly string[]; headers: Record<string, string> } {
  const asked = query.get("n");
  if (asked !== null && !/^\d{1,9}$/.test(asked)) throw new RegistryError("UNSUPPORTED", "n is not a whole number");
  const count = Math.min(asked === null ? MAX_PAGE : Number(asked), MAX_PAGE);
  const last = query.get("last");
  const after = last === null ? names : names.filter((name) => name > last);
  const page = after.slice(0, count);
  const end = page.at(-1);
  if (end === undefined || after.length === page.length) return { names: page, headers: {} };
  return { names: page, headers: { link: `<${path}?n=${count}&last=${encodeURIComponent(end)}>; rel="next"` } };
}

/** Manifests about another manifest, as an index; an empty one when there are none. */
export function serveReferrers(call: Call, name: string, digest: Digest): void {
  requireGet(call);
  const wanted = call.query.get("artifactType");
  const records = call.registry.repositories.get(name)?.manifests ?? new Map();
  const manifests = Array.from(records)
    .filter(([, { subject, artifactType }]) => subject === digest && (wanted === null || artifactType === wanted))
    .map(([own, { mediaType, size, artifactType, annotations }]) => ({
      mediaType,
      digest: own,
      size,
      ...(artifactType === undefined ? {} : { artifactType }),
      ...(annotations === undefined ? {} : { annotations }),
    }));
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }));
  const filtered: Record<string, string> = wanted === null ? {} : { "oci-filters-applied": "artifactType" };
  answerBytes(call, 200, bytes, { "content-type": OCI_INDEX, ...filtered });
}
