import type { IncomingMessage, ServerResponse } from "node:http";
import { systemClock, type Clock } from "#base/clock.ts";
import { requestUrl } from "#base/request-url.ts";
import { isGantryError } from "#base/errors.ts";
import { silentLogger, type Logger } from "#base/logger.ts";
import type { ImageStore } from "#images/image-store.ts";
import { beginUpload, serveBlob, serveUpload } from "./server/blobs.ts";
import { answerJson, type Call, type RegistryState } from "./server/call.ts";
import { serveCatalog, serveReferrers, serveTags } from "./server/listings.ts";
import { serveManifest } from "./server/manifests.ts";
import { RegistryError } from "./server/registry-error.ts";
import { openRepositories } from "./server/repositories.ts";
import { routeOf, type Route } from "./server/route.ts";
import { openUploads } from "./server/uploads.ts";

/** Who may do what. */
export interface AccessRules {
  /** Whether these are good credentials; the answer to bad ones is 401. Without it any are. */
  readonly authenticate?: (user: Credentials | undefined) => Promise<boolean> | boolean;
  /**
   * Decides on a request, `undefined` being one without credentials. "pull" reads, "push" writes, "delete" deletes; `repository` is undefined for
   * the version check and the catalog. Without it everybody may do everything.
   */
  readonly authorize?: (user: Credentials | undefined, access: Access) => Promise<boolean> | boolean;
}

export interface RegistryOptions extends AccessRules {
  /** Where the repositories are written down; their blobs are in the image store's content. */
  readonly stateDir: string;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

export interface Access {
  readonly action: "pull" | "push" | "delete";
  readonly repository: string | undefined;
}

/** An OCI registry (distribution-spec 1.1): a handler for node:http or node:https servers. */
export interface Registry {
  /** `rules` are in the place of the registry's own: those of one address, for instance. */
  handle(request: IncomingMessage, response: ServerResponse, rules?: AccessRules): Promise<void>;
  /** Ends uploads under way. */
  close(): Promise<void>;
}

/** Blobs that were sent, and that no manifest came to need within a day, go. */
const GARBAGE_MS = 24 * 60 * 60 * 1000;

/** Serves repositories from the content store of `images`: what is pushed shares its blobs with images that have them. */
export async function createRegistry(images: Pick<ImageStore, "content">, options: RegistryOptions): Promise<Registry> {
  const { content } = images;
  const clock = options.clock ?? systemClock;
  const logger = options.logger ?? silentLogger;
  const repositories = await openRepositories(options.stateDir, content, clock);
  const state: RegistryState = { content, repositories, uploads: openUploads(content, clock), clock };
  await repositories.collect(GARBAGE_MS);
  return {
    async handle(request, response, rules = options) {
      response.setHeader("docker-distribution-api-version", "registry/2.0");
      const url = requestUrl(request.url);
      const call: Call = { request, response, query: url.searchParams, registry: state };
      try {
        const route = routeOf(url.pathname);
        await authorize(rules, request, route);
        if (!route) return notFound(response);
        await serve(call, route);
      } catch (error) {
        fail(call, error, logger);
      }
    },
    close: () => state.uploads.close(),
  };
}

async function serve(call: Call, route: Route): Promise<void> {
  switch (route.kind) {
    case "version":
      return answerJson(call, {});
    case "catalog":
      return serveCatalog(call);
    case "blob":
      return serveBlob(call, route.name, route.digest);
    case "uploads":
      return beginUpload(call, route.name);
    case "upload":
      return serveUpload(call, route.name, route.id);
    case "manifest":
      return serveManifest(call, route.name, route.reference);
    case "tags":
      return serveTags(call, route.name);
    case "referrers":
      return serveReferrers(call, route.name, route.digest);
  }
}

async function authorize(
  { authenticate, authorize: decide }: AccessRules,
  request: IncomingMessage,
  route: Route | undefined,
): Promise<void> {
  if (!authenticate && !decide) return;
  const user = credentialsOf(request.headers.authorization);
  if (authenticate && !(await authenticate(user))) throw unauthorized();
  const repository = route && "name" in route ? route.name : undefined;
  if (!decide || (await decide(user, { action: actionOf(request, route), repository }))) return;
  throw user ? new RegistryError("DENIED", "requested access to the resource is denied") : unauthorized();
}

function unauthorized(): RegistryError {
  return new RegistryError("UNAUTHORIZED", "authentication required", undefined, {
    "www-authenticate": 'Basic realm="Gantry registry"',
  });
}

function actionOf({ method }: IncomingMessage, route: Route | undefined): Access["action"] {
  if (route?.kind === "upload" || route?.kind === "uploads") return "push";
  if (method === "GET" || method === "HEAD") return "pull";
  return method === "DELETE" ? "delete" : "push";
}

function credentialsOf(header: string | undefined): Credentials | undefined {
  const match = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(header ?? "");
  if (!match) return undefined;
  const text = Buffer.from(match[1] ?? "", "base64").toString("utf8");
  const colon = text.indexOf(":");
  return colon < 0 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

function notFound(response: ServerResponse): void {
  response.writeHead(404, { "content-type": "text/plain; charset=utf-8" }).end("404 page not found\n");
}

/** Answers a failure as the protocol has it; a connection that is gone gets no answer. */
function fail({ request, response }: Call, error: unknown, logger: Logger): void {
  const refusal = refusalOf(error);
  if (refusal.code === "UNKNOWN")
    logger.error({ method: request.method, url: request.url, error }, "registry request failed");
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const body = Buffer.from(JSON.stringify(refusal.document()));
  // What is left of a body that is refused is not read.
  const close = request.complete ? {} : { connection: "close" };
  response.writeHead(refusal.status, {
    "content-type": "application/json",
    "content-length": body.length,
    ...close,
    ...refusal.headers,
  });
  response.end(request.method === "HEAD" ? undefined : body);
}

function refusalOf(error: unknown): RegistryError {
  if (error instanceof RegistryError) return error;
  if (isGantryError(error, "invalid")) return new RegistryError("DIGEST_INVALID", error.message);
  if (isGantryError(error, "too-large")) return new RegistryError("SIZE_INVALID", error.message);
  return new RegistryError("UNKNOWN", isGantryError(error) ? error.message : "unknown error");
}
