/**
 * The path and query of an HTTP request's target. Never throws: a path that begins with two slashes is no host, and a target that is no
 * path (`*`, `host:port`) is the root.
 */
export function requestUrl(target: string | undefined): URL {
  return new URL(`http://localhost${target?.startsWith("/") ? target : "/"}`);
}
