import { createServer, type Server } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";
import { errorText, isGantryError } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import type { Access } from "./access.ts";
import type { KubeletRoutes } from "./routes.ts";

/** What the server proves itself with, and whose client certificates it takes; PEM. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  readonly clientCa: string;
}

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
      else answer(response, isGantryError(error, "not-found") ? 404 : 500, errorText(error));
    });
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
  const url = new URL(`https://kubelet${request.url?.startsWith("/") ? request.url : "/"}`);
  const caller = await access.authenticate(request);
  if (!caller) return answer(response, 401, "Unauthorized");
  const refused = await access.authorize(caller, method, url.pathname);
  if (refused !== undefined) return answer(response, 403, refused);
  if (method !== "GET" && method !== "HEAD") return answer(response, 405, "405: Method Not Allowed");
  const found = await routes(url);
  if (!found) return answer(response, 404, "404 page not found");
  response.writeHead(200, { "content-type": found.contentType });
  if (typeof found.body === "string") response.end(found.body);
  else await pipeline(found.body, response);
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" });
  response.end(`${text}\n`);
}
