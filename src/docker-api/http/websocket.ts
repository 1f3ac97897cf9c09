import type { Duplex } from "node:stream";
import { createWebSocketStream, WebSocketServer } from "ws";
import { GantryError } from "#base/errors.ts";
import type { Call } from "./call.ts";
import type { Hijacked } from "./hijack.ts";

/** The largest message that a client may send. */
const MESSAGE_LIMIT_BYTES = 1024 * 1024;

const server = new WebSocketServer({ noServer: true, maxPayload: MESSAGE_LIMIT_BYTES });

/** Shakes hands (RFC 6455) and gives the two directions of the socket. Throws `invalid` without an upgrade to websocket. */
export async function acceptWebSocket(call: Call): Promise<Hijacked> {
  if (call.upgrade?.protocol.toLowerCase() !== "websocket")
    throw new GantryError("invalid", "bad request: WebSocket upgrade expected");
  const socket = call.upgrade.take();
  const { promise, resolve } = Promise.withResolvers<Duplex>();
  server.handleUpgrade(call.request, socket, Buffer.alloc(0), (client) => resolve(createWebSocketStream(client)));
  const stream = await promise;
  return { input: stream, output: stream };
}
