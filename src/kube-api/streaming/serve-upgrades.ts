// Requests that leave HTTP: a command's or a port's streams, over WebSocket or SPDY/3.1.
import type { IncomingMessage } from "node:http";
import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { createWebSocketStream, WebSocketServer, type WebSocket } from "ws";
import type { Logger } from "#base/logger.ts";
import { isGantryError } from "#base/errors.ts";
import { header } from "../http/exchange.ts";
import type { AttachRequest, ProcessStreams } from "../node-streams.ts";
import { badRequest, failure, statusOf } from "../status.ts";
import type { CommandChannels } from "./channels.ts";
import { PORT_FORWARD_PROTOCOL, servePortForward, TUNNEL_PROTOCOL } from "./port-forward.ts";
import { runRemoteCommand } from "./remote-command.ts";
import { spdyChannels, SPDY_COMMAND_PROTOCOLS } from "./spdy-channels.ts";
import { COMMAND_PROTOCOLS, websocketChannels } from "./websocket-channels.ts";

export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => Promise<void>;

/** What is to happen once the protocol is agreed on. */
export interface Session {
  readonly protocols: { readonly websocket: readonly string[]; readonly spdy: readonly string[] };
  overWebSocket(socket: WebSocket): Promise<void>;
  overSpdy(transport: Duplex): Promise<void>;
}

/** Someone else's protocol: the connection is handed over before anything is agreed on. Throws to refuse. */
export interface Handover {
  takeOver(socket: Duplex, head: Buffer): Promise<void>;
}

const MAX_MESSAGE_BYTES = 4 * 2 ** 20;

/**
 * Answers an upgrade. Everything that can refuse it does so before the connection changes its protocol; after a refusal
 * the connection is closed, so that nothing more travels on it (CVE-2018-1002105).
 */
export function serveUpgrades(
  open: (request: IncomingMessage) => Promise<Session | Handover>,
  logger: Logger,
): Upgrade {
  const accept = (request: IncomingMessage, socket: Duplex, head: Buffer, protocol: string): Promise<WebSocket> =>
    new Promise((resolve) => {
      const server = new WebSocketServer({
        noServer: true,
        maxPayload: MAX_MESSAGE_BYTES,
        handleProtocols: () => protocol,
      });
      server.handleUpgrade(request, socket, head, resolve);
    });
  return async (request, socket, head) => {
    try {
      const session = await open(request);
      if ("takeOver" in session) return await session.takeOver(socket, head);
      if (isWebSocket(request)) {
        const offered = listOf(header(request, "sec-websocket-protocol"));
        const protocol = choose(session.protocols.websocket, offered);
        await session.overWebSocket(await accept(request, socket, head, protocol));
      } else if (isSpdy(request)) {
        const protocol = choose(session.protocols.spdy, listOf(header(request, "x-stream-protocol-version")));
        if (head.length > 0) socket.unshift(head);
        socket.write(switching(protocol));
        await session.overSpdy(socket);
      } else throw badRequest("unable to upgrade: unknown protocol");
    } catch (error) {
      if (!isGantryError(error)) logger.debug({ error: String(error), path: request.url }, "stream ended");
      refuse(socket, error);
    }
  };
}

function isWebSocket(request: IncomingMessage): boolean {
  return (header(request, "upgrade") ?? "").toLowerCase() === "websocket";
}

function isSpdy(request: IncomingMessage): boolean {
  return (header(request, "upgrade") ?? "").toLowerCase() === "spdy/3.1";
}

function listOf(text = ""): string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

function choose(known: readonly string[], offered: readonly string[]): string {
  const found = known.find((protocol) => offered.includes(protocol));
  if (found) return found;
  const message = `unable to upgrade: unable to negotiate protocol: client supports [${offered.join(" ")}], server accepts [${known.join(" ")}]`;
  throw failure({ code: "forbidden", http: 403, reason: "Forbidden", message });
}

function switching(protocol: string): string {
  return `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${protocol}\r\n\r\n`;
}

function refuse(socket: Duplex, error: unknown): void {
  if (socket.destroyed || !socket.writable) return;
  const status = statusOf(error);
  const body = JSON.stringify(status);
  const code = status.code ?? 500;
  const head = `HTTP/1.1 ${code} ${STATUS_CODES[code] ?? ""}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n`;
  socket.end(head + body, () => socket.destroy());
}

export function commandSession(request: AttachRequest, start: () => Promise<ProcessStreams>): Session {
  const run = (channels: CommandChannels): Promise<void> => runRemoteCommand(start, channels);
  return {
    protocols: { websocket: COMMAND_PROTOCOLS, spdy: SPDY_COMMAND_PROTOCOLS },
    overWebSocket: (socket) => run(websocketChannels(socket, request)),
    overSpdy: async (transport) => run(await spdyChannels(transport, request)),
  };
}

export function portForwardSession(dial: (port: number) => Promise<Duplex>): Session {
  return {
    protocols: { websocket: [TUNNEL_PROTOCOL], spdy: [PORT_FORWARD_PROTOCOL] },
    overWebSocket: (socket) => servePortForward(createWebSocketStream(socket), dial),
    overSpdy: (transport) => servePortForward(transport, dial),
  };
}
