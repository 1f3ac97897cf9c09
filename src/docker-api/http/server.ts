import { type IncomingMessage, ServerResponse } from "node:http";
import { Readable, type Duplex } from "node:stream";
import { GantryError, isGantryError } from "#base/errors.ts";
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
  try {
    const body = await takeBody(request, socket, head);
    const take = (): Duplex => {
      response.detachSocket(socket as Parameters<ServerResponse["detachSocket"]>[0]);
      socket.resume();
      return socket;
    };
    await answer(edge, request, response, Readable.from(body.length > 0 ? [body] : []), {
      protocol: request.headers.upgrade ?? "tcp",
      take,
    });
  } catch (error) {
    fail(edge, request, response, error);
  }
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

/** The body of a request with an upgrade: Node hands everything after the headers over, so its length is counted here. */
async function takeBody(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<Buffer> {
  const length = Number(request.headers["content-length"] ?? 0);
  if (request.headers["transfer-encoding"] !== undefined) return takeChunkedBody(socket, head);
  if (!Number.isSafeInteger(length) || length < 0 || length > UPGRADE_BODY_LIMIT_BYTES) throw tooLarge();
  let bytes = head;
  while (bytes.length < length) bytes = Buffer.concat([bytes, await nextChunk(socket)]);
  if (bytes.length > length) socket.unshift(bytes.subarray(length));
  return bytes.subarray(0, length);
}

/** The most bytes of a body that comes with an upgrade (the start document of an exec). */
const UPGRADE_BODY_LIMIT_BYTES = 64 * 1024;

/** A chunked body (RFC 9112, section 7.1) without trailers, as Go's client sends a body of unknown length. */
async function takeChunkedBody(socket: Duplex, head: Buffer): Promise<Buffer> {
  let pending = head;
  const body: Buffer[] = [];
  let total = 0;
  for (;;) {
    let lineEnd = pending.indexOf("\r\n");
    while (lineEnd < 0) {
      if (pending.length > 1024) throw new GantryError("invalid", "malformed chunked encoding");
      pending = Buffer.concat([pending, await nextChunk(socket)]);
      lineEnd = pending.indexOf("\r\n");
    }
    const size = Number.parseInt(pending.toString("latin1", 0, lineEnd), 16);
    if (!Number.isInteger(size)) throw new GantryError("invalid", "malformed chunked encoding");
    total += size;
    if (total > UPGRADE_BODY_LIMIT_BYTES) throw tooLarge();
    const end = lineEnd + 2 + size + 2;
    while (pending.length < end) pending = Buffer.concat([pending, await nextChunk(socket)]);
    body.push(pending.subarray(lineEnd + 2, lineEnd + 2 + size));
    pending = pending.subarray(end);
    if (size === 0) break;
  }
  if (pending.length > 0) socket.unshift(pending);
  return Buffer.concat(body);
}

function tooLarge(): GantryError {
  return new GantryError("too-large", `request body is larger than ${UPGRADE_BODY_LIMIT_BYTES} bytes`);
}

function nextChunk(socket: Duplex): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const onData = (chunk: Buffer): void => {
    socket.pause();
    socket.off("end", onEnd);
    resolve(chunk);
  };
  const onEnd = (): void => {
    socket.off("data", onData);
    reject(new GantryError("cancelled", "the client went away"));
  };
  socket.once("data", onData);
  socket.once("end", onEnd);
  socket.resume();
  return promise;
}

function splitOnce(text: string, separator: string): [string, string?] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}
