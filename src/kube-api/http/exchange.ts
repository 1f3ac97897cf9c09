import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";

/** Requests and responses of either HTTP version: what both have is all that is used. */
export type Request = IncomingMessage | Http2ServerRequest;
export type Response = ServerResponse | Http2ServerResponse;

/** A request header with one value. */
export function header(request: Request, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(",") : value;
}

/** Writes a whole answer. */
export function send(
  response: Response,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string | Uint8Array,
): void {
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  writeHead(response, status, { ...headers, "content-length": String(bytes.byteLength) });
  response.end(bytes as Buffer);
}

/** Starts an answer. */
export function writeHead(
  response: Response,
  status: number,
  headers: Readonly<Record<string, string | string[]>>,
): void {
  (response as ServerResponse).writeHead(status, headers);
}

/** Writes a part; `done` when its bytes are no longer needed. */
export function write(response: Response, bytes: Uint8Array, done?: () => void): void {
  (response as ServerResponse).write(bytes, done);
}

/** Bytes written and not yet taken by the client. */
export function backlog(response: Response): number {
  return "stream" in response && response.stream ? (response.stream.writableLength ?? 0) : response.writableLength;
}

/** Sends the head before there is a body: a watcher learns that it is watching. */
export function flush(response: Response): void {
  if ("flushHeaders" in response && typeof response.flushHeaders === "function") response.flushHeaders();
}
