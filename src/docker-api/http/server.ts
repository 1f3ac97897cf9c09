import { type IncomingMessage, ServerResponse } from "node:http";
import type { Duplex, Readable } from "node:stream";
import { isGantryError } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import type { Call } from "./call.ts";
import { errorReply } from "./errors.ts";
import { queryOf } from "./query.ts";
import { json } from "./reply.ts";
import type { Router } from "./router.ts";
import { API_VERSION, negotiate } from "./versions.ts";

export interface Edge {
  readonly router: Router;
  readonly logger: Logger;
  /** `Server` header. */
  readonly serverName: string;
}

/** Answers an ordinary request. */
export async function handleRequest(edge: Edge, request: IncomingMessage, response: ServerResponse): Promise<void> {
  await answer(edge, request, response, request, undefined);
}

/** Answers a request that wants to leave HTTP: attach and exec take the socket, every other handler answers as usual. */
export async function handleUpgrade(edge: Edge, request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
  socket.on("error", () => socket.destroy());
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket as Parameters<ServerResponse["assignSocket"]>[0]);
  response.once("finish", () => socket.end());
  const take = (): Duplex => {
    response.detachSocket(socket as Parameters<ServerResponse["detachSocket"]>[0]);
    if (head.length > 0) socket.unshift(head);
    socket.resume();
    return socket;
  };
  // The body that comes before the other protocol is read from the request, as ever (the start document of an exec).
  await answer(edge, request, response, request, { protocol: request.headers.upgrade ?? "tcp", take });
}

async function answer(
  edge: Edge,
  request: IncomingMessage,
  response: ServerResponse,
  body: Readable,
  upgrade: Call["upgrade"],
): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  setHeaders(edge, response);
  try {
    const [path = "/", search = ""] = splitOnce(request.url ?? "/", "?");
    const match = edge.router(request.method ?? "GET", path);
    const version = negotiate(match.versionPrefix);
    const query = queryOf(new URLSearchParams(search));
    await match.handler({
      request,
      response,
      body,
      params: match.params,
      query,
      version,
      signal: gone.signal,
      ...(upgrade && { upgrade }),
    });
  } catch (error) {
    fail(edge, request, response, error);
  }
}

function setHeaders(edge: Edge, response: ServerResponse): void {
  response.setHeader("Api-Version", API_VERSION);
  response.setHeader("Docker-Experimental", "false");
  response.setHeader("Ostype", "linux");
  response.setHeader("Server", edge.serverName);
}

function fail(edge: Edge, request: IncomingMessage, response: ServerResponse, error: unknown): void {
  const { status, body } = errorReply(error);
  if (!isGantryError(error))
    edge.logger.error({ error, method: request.method, path: request.url?.split("?")[0] }, "request failed");
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  if (!request.complete && !request.destroyed) response.setHeader("connection", "close");
  if (status === 304) response.writeHead(304).end();
  else json(response, status, body);
}

function splitOnce(text: string, separator: string): [string, string?] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}
