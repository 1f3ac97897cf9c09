// Paths that are no resources: discovery, OpenAPI, health, version, metrics, token keys.
import { requireAccess, type Authorizer } from "../auth/authorizer.ts";
import type { Tokens } from "../auth/tokens.ts";
import type { User } from "../context.ts";
import { failure, unknownPath } from "../status.ts";
import type { Discovery } from "./discovery.ts";
import { header, send, type Response } from "./exchange.ts";
import type { Health } from "./health.ts";
import type { Metrics } from "./metrics.ts";
import { parseAccept } from "./negotiation.ts";
import type { OpenApi } from "./openapi.ts";
import { replyValue, type Reply } from "./respond.ts";
import { VERSION } from "../version.ts";

export interface OtherServer {
  readonly authorizer: Authorizer;
  readonly discovery: Discovery;
  readonly openApi: OpenApi;
  readonly health: Health;
  readonly metrics: Metrics;
  readonly tokens: Tokens;
}

export interface OtherRequest {
  readonly reply: Reply;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly user: User;
}

/** Answers a request for a path that is no resource. */
export async function serveOther(server: OtherServer, request: OtherRequest): Promise<void> {
  const { reply, user } = request;
  const path = request.path.length > 1 ? request.path.replace(/\/$/, "") : request.path;
  const verb = (reply.request.method ?? "GET").toLowerCase();
  requireAccess(server.authorizer, user, { verb, path });
  if (verb !== "get" && verb !== "head")
    throw failure({
      code: "unsupported",
      http: 405,
      reason: "MethodNotAllowed",
      message: "the server does not allow this method on the requested resource",
    });
  if (/^\/(healthz|livez|readyz)(\/|$)/.test(path)) return server.health.serve(reply.response, path, request.query);
  if (path === "/api" || path === "/apis") {
    if (serveAggregated(server.discovery, reply, path)) return;
  }
  const document = await documentAt(server, path, request.query);
  if (document) return replyValue(reply, 200, document);
  if (path === "/metrics") return serveText(reply.response, await server.metrics.text());
  if (path.startsWith("/openapi/") && (await server.openApi.serve(reply, path, request.query.get("hash")))) return;
  throw unknownPath();
}

async function documentAt(
  { discovery, tokens }: OtherServer,
  path: string,
  _query: URLSearchParams,
): Promise<object | undefined> {
  if (path === "/version") return VERSION;
  if (path === "/") return { paths: ROOT_PATHS };
  if (path === "/openid/v1/jwks") return tokens.keySet();
  if (path === "/.well-known/openid-configuration") return openIdConfiguration(tokens.issuer);
  return discovery.document(path);
}

const ROOT_PATHS = [
  "/.well-known/openid-configuration",
  "/api",
  "/api/v1",
  "/apis",
  "/healthz",
  "/livez",
  "/metrics",
  "/openapi/v2",
  "/openapi/v3",
  "/openid/v1/jwks",
  "/readyz",
  "/version",
];

function openIdConfiguration(issuer: string): object {
  return {
    issuer,
    jwks_uri: `${issuer}/openid/v1/jwks`,
    response_types_supported: ["id_token"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["ES256"],
  };
}

/** The aggregated form, if the client prefers it. */
function serveAggregated(discovery: Discovery, { request, response }: Reply, path: "/api" | "/apis"): boolean {
  for (const { type, parameters } of parseAccept(header(request, "accept") ?? "")) {
    if (type !== "application/json" && type !== "*/*") continue;
    const { g: group, v: version = "", as } = parameters;
    if (as === undefined) return false;
    if (group !== "apidiscovery.k8s.io" || as !== "APIGroupDiscoveryList" || !["v2", "v2beta1"].includes(version))
      continue;
    const { bytes, etag } = discovery.aggregated(path, version);
    const headers = {
      "content-type": `application/json;g=${group};v=${version};as=${as}`,
      etag,
      vary: "Accept",
      "cache-control": "public",
    };
    if (header(request, "if-none-match") === etag) send(response, 304, headers, "");
    else send(response, 200, headers, bytes);
    return true;
  }
  return false;
}

function serveText(response: Response, text: string): void {
  send(response, 200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" }, text);
}
