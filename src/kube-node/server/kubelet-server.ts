import { createServer, type Server } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { errorText, GantryError, isGantryError } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import { requestUrl } from "#base/request-url.ts";
import type { Access } from "./access.ts";
import type { KubeletRoutes } from "./routes.ts";
import { isStreamPath, type StreamTarget } from "./stream-routes.ts";

/** What the server proves itself with, and whose client certificates it takes; PEM. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  readonly clientCa: string;
}

/** How streams are served: the protocols are those of the API server, plugged in by main/. */
export interface Streaming {
  readonly upgrades: StreamUpgrades;
  readonly targets: (url: URL) => StreamTarget;
}

export type StreamUpgrades = (
  open: (request: IncomingMessage) => Promise<StreamTarget>,
  logger: Logger,
) => (request: IncomingMessage, socket: Duplex, head: Buffer) => Promise<void>;

export interface KubeletServer {
  readonly port: number;
  close(): void;
}

/** At most so many connections; one more is closed at once. A request has so long for its head. */
const MOST_CONNECTIONS = 500;
const HEAD_MS = 10_000;

/** The kubelet's HTTPS API: every path is for those only who are known and have its right. */
export async function listenKubelet(options: {
  /** Opens a listening socket: its descriptor. */
  readonly listen: () => number;
  readonly tls: ServerTls;
  readonly access: Access;
  readonly routes: KubeletRoutes;
  readonly streaming: Streaming;
  readonly logger: Logger;
}): Promise<KubeletServer> {
  const { tls, access, routes, logger } = options;
  const server = createServer({
    cert: tls.cert,
    key: tls.key,
    ca: tls.clientCa,
    requestCert: true,
    // Without a certificate a bearer token may still do.
    rejectUnauthorized: false,
    minVersion: "TLSv1.2",
    headersTimeout: HEAD_MS,
  });
  server.maxConnections = MOST_CONNECTIONS;
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    serve(request, response, access, routes).catch((error: unknown) => {
      logger.warn({ path: request.url?.split("?")[0], error: errorText(error) }, "request to the kubelet failed");
      if (response.headersSent) response.destroy();
      else answer(response, statusCode(error), errorText(error));
    });
  });
  const upgrade = options.streaming.upgrades(
    (request) => openStream(request, access, options.streaming.targets),
    logger,
  );
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", () => socket.destroy());
    void upgrade(request, socket, head);
  });
  await listen(server, options.listen());
  server.unref();
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function statusCode(error: unknown): number {
  return isGantryError(error, "not-found") ? 404 : isGantryError(error, "invalid") ? 400 : 500;
}

function listen(server: Server, fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ fd }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  access: Access,
  routes: KubeletRoutes,
): Promise<void> {
  const { method = "GET" } = request;
  const url = requestUrl(request.url);
  const caller = await access.authenticate(request);
  if (!caller) return answer(response, 401, "Unauthorized");
  const refused = await access.authorize(caller, verbMethod(method, url.pathname), url.pathname);
  if (refused !== undefined) return answer(response, 403, refused);
  const reads = method === "GET" || method === "HEAD";
  if (isStreamPath(url.pathname) === reads) return answer(response, 405, "405: Method Not Allowed");
  const found = await routes(url);
  if (!found) return answer(response, 404, "404 page not found");
  response.writeHead(200, { "content-type": found.contentType });
  if (typeof found.body === "string") response.end(found.body);
  else await pipeline(found.body, response);
}

/** Where somebody can act inside a pod, reading is not enough (the right to GET nodes/proxy was once enough to execute: a WebSocket is a GET). */
function verbMethod(method: string, path: string): string {
  return isStreamPath(path) ? "POST" : method;
}

/** Everything that can refuse a stream does so here, before the connection changes its protocol. */
async function openStream(
  request: IncomingMessage,
  access: Access,
  targets: (url: URL) => StreamTarget,
): Promise<StreamTarget> {
  const url = requestUrl(request.url);
  const caller = await access.authenticate(request);
  if (!caller) throw new GantryError("unauthorized", "Unauthorized");
  const refused = await access.authorize(caller, "POST", url.pathname);
  if (refused !== undefined) throw new GantryError("forbidden", refused);
  return targets(url);
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" });
  response.end(`${text}\n`);
}
