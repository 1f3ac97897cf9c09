import { badRequest } from "../status.ts";

/** What a URL's path names (k8s.io/apiserver endpoints/request/requestinfo.go). */
export type RequestPath =
  | {
      readonly kind: "resource";
      readonly group: string;
      readonly version: string;
      readonly namespace: string;
      readonly resource: string;
      readonly name: string;
      readonly subresource: string;
      /** What follows the subresource (a proxied path). */
      readonly rest: string;
      /** The old /watch/ prefix. */
      readonly watch: boolean;
    }
  | { readonly kind: "other"; readonly path: string };

/** Paths under /namespaces/NAME/ that belong to the namespace itself. */
const NAMESPACE_SUBRESOURCES = new Set(["status", "finalize"]);

/** Reads a path, segment by segment: a decoded slash never makes a segment of its own. Throws `invalid` for bad escapes. */
export function parsePath(path: string): RequestPath {
  const parts = path.split("/").slice(1).map(decodeSegment);
  const [root = "", first = "", second = ""] = parts;
  if (root === "api" && first !== "" && parts.length > 2 && parts[2] !== "")
    return resourcePath("", first, parts.slice(2), path);
  if (root === "apis" && second !== "" && parts.length > 3 && parts[3] !== "")
    return resourcePath(first, second, parts.slice(3), path);
  return { kind: "other", path };
}

function resourcePath(group: string, version: string, parts: readonly string[], path: string): RequestPath {
  const watch = parts[0] === "watch" && parts.length > 1;
  const rest = parts.slice(watch ? 1 : 0);
  // A slash at the end names nothing more; only what is proxied keeps it.
  const slash = rest.length > 1 && rest.at(-1) === "";
  if (slash) rest.pop();
  const [resource = "", name = "", third = ""] = rest;
  const make = (namespace: string, from: readonly string[]): RequestPath => ({
    kind: "resource",
    group,
    version,
    namespace,
    resource: from[0] ?? "",
    name: from[1] ?? "",
    subresource: from[2] ?? "",
    rest: restOf(path, from, slash),
    watch,
  });
  const within =
    resource === "namespaces" && rest.length > 2 && !(rest.length === 3 && NAMESPACE_SUBRESOURCES.has(third));
  return within ? make(name, rest.slice(2)) : make("", rest);
}

/** The path after the subresource, as it was sent. */
function restOf(path: string, from: readonly string[], slash: boolean): string {
  const count = Math.max(0, from.length - 3) + (slash ? 1 : 0);
  return count === 0 ? "" : `/${path.split("/").slice(-count).join("/")}`;
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw badRequest(`invalid URL escape in ${JSON.stringify(segment)}`);
  }
}
