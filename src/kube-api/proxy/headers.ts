import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";

type Headers = Record<string, string | string[]>;

/** Headers of one connection, which say nothing to the next (RFC 9110, 7.6.1). */
const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
]);

/** What a backend gets of a client's headers: neither the client's credentials nor what is between client and server. */
export function requestHeaders(
  headers: IncomingHttpHeaders,
  about: { readonly host: string; readonly uri: string },
): Headers {
  const named = namedByConnection(headers.connection);
  const out: Headers = {};
  for (const [name, value] of Object.entries(headers)) {
    const own = name.startsWith(":") || name.startsWith("impersonate-") || name === "authorization" || name === "host";
    if (value !== undefined && !own && !HOP_BY_HOP.has(name) && !named.has(name)) out[name] = value;
  }
  out["x-forwarded-proto"] = "https";
  out["x-forwarded-host"] = headers.host ?? String(headers[":authority"] ?? "");
  out["x-forwarded-uri"] = about.uri;
  out["host"] = about.host;
  return out;
}

/** What a client gets of a backend's headers. A backend has no say in which pages may use the API. */
export function responseHeaders(
  headers: IncomingHttpHeaders | OutgoingHttpHeaders,
  at: { readonly origin: string; readonly prefix: string },
): Headers {
  const named = namedByConnection(headers["connection"] as string | undefined);
  const out: Headers = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || HOP_BY_HOP.has(name) || named.has(name) || name.startsWith("access-control-")) continue;
    out[name] = Array.isArray(value) ? value : String(value);
  }
  const { location } = out;
  if (typeof location === "string") out["location"] = throughProxy(location, at);
  return out;
}

/** A redirect that stays at the backend goes on through the proxy; any other is the client's own affair. It is never followed here. */
function throughProxy(
  location: string,
  { origin, prefix }: { readonly origin: string; readonly prefix: string },
): string {
  if (location.startsWith("/") && !location.startsWith("//")) return prefix + location;
  return location === origin || location.startsWith(`${origin}/`) ? prefix + location.slice(origin.length) : location;
}

function namedByConnection(text = ""): ReadonlySet<string> {
  return new Set(text.split(",").map((name) => name.trim().toLowerCase()));
}
