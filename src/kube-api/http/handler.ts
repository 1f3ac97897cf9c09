import type { Logger } from "#base/logger.ts";
import { isGantryError } from "#base/errors.ts";
import { impersonated, type Authenticator } from "../auth/authentication.ts";
import type { FairShare } from "./fair-share.ts";
import { header, type Request, type Response } from "./exchange.ts";
import type { Metrics } from "./metrics.ts";
import { negotiate } from "./negotiation.ts";
import { serveOther, type OtherServer } from "./other.ts";
import { parsePath, type RequestPath } from "./path.ts";
import { isTrue } from "./query.ts";
import { serveResource, type ResourceServer } from "./resources.ts";
import { replyError } from "./respond.ts";
import { isLongRunning, timeLimit, withinTime } from "./time-limit.ts";

export interface HandlerOptions extends ResourceServer, OtherServer {
  readonly authenticator: Authenticator;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly shares: FairShare;
}

/** Answers one request; never throws. */
export function requestHandler(options: HandlerOptions): (request: Request, response: Response) => Promise<void> {
  return async (request, response) => {
    const started = performance.now();
    const seen: { path?: RequestPath } = {};
    try {
      await serve(options, request, response, seen);
    } catch (error) {
      if (!isGantryError(error) || error.code === "internal") {
        options.logger.error(
          { error: String(error), stack: error instanceof Error ? error.stack : undefined, path: request.url },
          "request failed",
        );
      }
      replyError(request, response, error);
    }
    observe(options, request, response, seen.path, (performance.now() - started) / 1000);
  };
}

async function serve(
  options: HandlerOptions,
  request: Request,
  response: Response,
  seen: { path?: RequestPath },
): Promise<void> {
  const url = request.url ?? "/";
  const mark = url.indexOf("?");
  const path = parsePath(mark < 0 ? url : url.slice(0, mark));
  seen.path = path;
  const query = mark < 0 ? NO_QUERY : new URLSearchParams(url.slice(mark + 1));
  const authenticated = await options.authenticator.authenticate(request);
  const user = impersonated(request, authenticated, options.authorizer);
  const pretty = query.has("pretty") ? isTrue(query.get("pretty")) : prefersPretty(header(request, "user-agent"));
  const accept = header(request, "accept");
  const warnings: string[] = [];
  if (path.kind === "other") {
    const reply = { request, response, form: { encoding: "json", as: "object" } as const, pretty, warnings };
    return serveOther(options, { reply, path: path.path, query, user });
  }
  const reply = { request, response, form: negotiate(accept), pretty, warnings };
  const resource = { reply, path, query, user };
  if (isLongRunning(path, query)) return serveResource(options, resource);
  await withinTime(options.api.clock, timeLimit(query), async () => {
    const leave = await options.shares.enter(user.name);
    try {
      // Who left while waiting gets no answer, and nothing is done in their name.
      if (!response.destroyed) await serveResource(options, resource);
    } finally {
      leave();
    }
  });
}

const NO_QUERY = new URLSearchParams();

/** People with these read the answer themselves (k8s.io/apiserver, isPrettyPrint). */
function prefersPretty(userAgent = ""): boolean {
  return userAgent.startsWith("curl") || userAgent.startsWith("Wget") || userAgent.startsWith("Mozilla/5.0");
}

function observe(
  { metrics, api }: HandlerOptions,
  request: Request,
  response: Response,
  path: RequestPath | undefined,
  seconds: number,
): void {
  const definition =
    path?.kind === "resource" ? api.resources.find(path.group, path.version, path.resource) : undefined;
  const subresource =
    path?.kind === "resource" && definition?.subresources.has(path.subresource) ? path.subresource : "";
  const verb = METHODS.has(request.method ?? "") ? (request.method ?? "") : "OTHER";
  metrics.observe({ verb, resource: definition?.resource ?? "", subresource, code: response.statusCode, seconds });
}

const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]);
