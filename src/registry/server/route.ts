import { isDigest, type Digest } from "#formats/digest.ts";
import { isRepositoryPath, isTag } from "#formats/reference.ts";
import { RegistryError } from "./registry-error.ts";

/** What a request is about (OCI distribution-spec 1.1, "Endpoints"). */
export type Route =
  | { readonly kind: "version" }
  | { readonly kind: "catalog" }
  | { readonly kind: "blob"; readonly name: string; readonly digest: Digest }
  | { readonly kind: "uploads"; readonly name: string }
  | { readonly kind: "upload"; readonly name: string; readonly id: string }
  | { readonly kind: "manifest"; readonly name: string; readonly reference: string }
  | { readonly kind: "tags"; readonly name: string }
  | { readonly kind: "referrers"; readonly name: string; readonly digest: Digest };

const PATTERNS: readonly (readonly [RegExp, (name: string, last: string) => Route])[] = [
  [/^(.+)\/blobs\/uploads\/?$/, (name) => ({ kind: "uploads", name })],
  [/^(.+)\/blobs\/uploads\/([\w-]+)$/, (name, id) => ({ kind: "upload", name, id })],
  [/^(.+)\/blobs\/([^/]+)$/, (name, text) => ({ kind: "blob", name, digest: digestOf(text) })],
  [/^(.+)\/manifests\/([^/]+)$/, (name, text) => ({ kind: "manifest", name, reference: referenceOf(text) })],
  [/^(.+)\/tags\/list$/, (name) => ({ kind: "tags", name })],
  [/^(.+)\/referrers\/([^/]+)$/, (name, text) => ({ kind: "referrers", name, digest: digestOf(text) })],
];

/** Reads a path; undefined when it is none of the protocol's. Throws RegistryError for a bad name, digest or tag in it. */
export function routeOf(path: string): Route | undefined {
  if (path === "/v2/" || path === "/v2") return { kind: "version" };
  if (!path.startsWith("/v2/")) return undefined;
  let rest: string;
  try {
    rest = decodeURIComponent(path.slice("/v2/".length));
  } catch {
    throw new RegistryError("NAME_INVALID", "invalid repository name");
  }
  if (rest === "_catalog") return { kind: "catalog" };
  for (const [pattern, make] of PATTERNS) {
    const match = pattern.exec(rest);
    if (!match) continue;
    const name = match[1] ?? "";
    if (!isRepositoryPath(name)) throw new RegistryError("NAME_INVALID", "invalid repository name", { name });
    return make(name, match[2] ?? "");
  }
  return undefined;
}

function digestOf(text: string): Digest {
  if (!isDigest(text))
    throw new RegistryError("DIGEST_INVALID", "provided digest did not match uploaded content", { digest: text });
  return text;
}

function referenceOf(text: string): string {
  if (text.includes(":")) return digestOf(text);
  if (!isTag(text)) throw new RegistryError("TAG_INVALID", "manifest tag did not match URI", { tag: text });
  return text;
}
