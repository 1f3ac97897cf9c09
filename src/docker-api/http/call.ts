import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex, Readable } from "node:stream";
import type { Decoder } from "#formats/docker-json.ts";
import { readJson } from "./body.ts";
import type { Query } from "./query.ts";

/** One request on its way through a handler. */
export interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The request's body; with an upgrade it ends where the other protocol begins. */
  readonly body: Readable;
  /** Values of the path's `{name}` parts, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  /** Minor number of the API version that the client speaks: 51 for 1.51. */
  readonly version: number;
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal;
  /** The client asked to leave HTTP (`Connection: Upgrade`): gives its socket, after an answer was written on it. */
  readonly upgrade?: { readonly protocol: string; readonly take: () => Duplex };
}

export type Handler = (call: Call) => Promise<void>;

export interface Route {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "DELETE";
  /** `/containers/{name}/json`; `{name...}` takes slashes too. */
  readonly path: string;
  readonly handler: Handler;
}

export function route(method: Route["method"], path: string, handler: Handler): Route {
  return { method, path, handler };
}

/** A path parameter that the route's pattern guarantees. */
export function param(call: Call, name = "name"): string {
  return call.params[name] ?? "";
}

export function jsonBody<T>(
  call: Call,
  decode: Decoder<T>,
  options: { required: boolean } = { required: true },
): Promise<T> {
  return readJson(call.request, call.body, decode, options);
}
