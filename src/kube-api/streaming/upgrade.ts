// Requests that leave HTTP: exec, attach and port-forward, over WebSocket or SPDY/3.1.
import type { IncomingMessage } from "node:http";
import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { createWebSocketStream, WebSocketServer, type WebSocket } from "ws";
import type { Logger } from "#base/logger.ts";
import { requestUrl } from "#base/request-url.ts";
import { isGantryError } from "#base/errors.ts";
import { impersonated, type Authenticator } from "../auth/authentication.ts";
import { requireAccess, type Authorizer } from "../auth/authorizer.ts";
import type { Api } from "../api.ts";
import { header } from "../http/exchange.ts";
import { parsePath } from "../http/path.ts";
import { isTrue } from "../http/query.ts";
import type { AttachRequest, NodeStreams, ProcessStreams } from "../node-streams.ts";
import type { ObjectRef } from "../service.ts";
import { badRequest, failure, statusOf, unknownPath } from "../status.ts";
import type { CommandChannels } from "./channels.ts";
import { streamedContainer, streamedPod } from "./pod.ts";
import { PORT_FORWARD_PROTOCOL, servePortForward, TUNNEL_PROTOCOL } from "./port-forward.ts";
import { runRemoteCommand } from "./remote-command.ts";
import { spdyChannels, SPDY_COMMAND_PROTOCOLS } from "./spdy-channels.ts";
import { COMMAND_PROTOCOLS, websocketChannels } from "./websocket-channels.ts";

export interface UpgradeOptions {
  readonly api: Api;
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  /** undefined while there are no nodes in this process. */
  readonly nodes: () => NodeStreams | undefined;
  readonly logger: Logger;
}

type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => Promise<void>;

/** What is to happen once the protocol is agreed on. */
interface Session {
  readonly protocols: { readonly websocket: readonly string[]; readonly spdy: readonly string[] };
  overWebSocket(socket: WebSocket): Promise<void>;
  overSpdy(transport: Duplex): Promise<void>;
}

const MAX_MESSAGE_BYTES = 4 * 2 ** 20;

/**
 * Answers an upgrade. Everything that can refuse it does so before the connection changes its protocol; after a refusal
 * the connection is closed, so that nothing more travels on it (CVE-2018-1002105).
 */
export function upgradeHandler(options: UpgradeOptions): Upgrade {
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
      const session = await openSession(options, request);
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
      if (!isGantryError(error)) options.logger.debug({ error: String(error), path: request.url }, "stream ended");
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

async function openSession(
  { api, authenticator, authorizer, nodes }: UpgradeOptions,
  request: IncomingMessage,
): Promise<Session> {
  const url = requestUrl(request.url);
  const path = parsePath(url.pathname);
  const user = impersonated(request, await authenticator.authenticate(request), authorizer);
  if (path.kind !== "resource") throw unknownPath();
  const { group, version, resource, namespace, name, subresource } = path;
  const access = { group, version, resource, subresource, namespace, name };
  requireAccess(authorizer, user, { ...access, verb: request.method === "POST" ? "create" : "get" });
  // A WebSocket can only be opened with GET; it takes the right to create all the same (KEP-2862's follow-up, 1.35).
  if (request.method !== "POST") requireAccess(authorizer, user, { ...access, verb: "create" });
  const definition = api.resources.find(group, version, resource);
  const known = group === "" && resource === "pods" && definition?.subresources.has(subresource) && namespace !== "";
  if (!definition || !known) throw unknownPath();
  const streams = nodes();
  if (!streams)
    throw failure({
      code: "unavailable",
      http: 503,
      reason: "ServiceUnavailable",
      message: "no node serves streams here",
    });
  return sessionFor(api, streams, { definition, namespace, name, subresource }, url.searchParams);
}

async function sessionFor(api: Api, nodes: NodeStreams, ref: ObjectRef, query: URLSearchParams): Promise<Session> {
  const pod = await streamedPod(api, ref);
  if (ref.subresource === "portforward") return portForwardSession((port) => nodes.portForward(pod, port));
  if (ref.subresource !== "exec" && ref.subresource !== "attach") throw unknownPath();
  const container = streamedContainer(pod, query.get("container"));
  const request = attachRequest(query);
  if (ref.subresource === "attach") return commandSession(request, () => nodes.attach(pod, container, request));
  const command = query.getAll("command");
  if (command.length === 0) throw badRequest("you must specify at least one command for the container");
  return commandSession(request, () => nodes.exec(pod, container, { ...request, command }));
}

function attachRequest(query: URLSearchParams): AttachRequest {
  const flag = (name: string): boolean => query.has(name) && isTrue(query.get(name));
  const request = { tty: flag("tty"), stdin: flag("stdin"), stdout: flag("stdout"), stderr: flag("stderr") };
  if (!request.stdin && !request.stdout && !request.stderr)
    throw badRequest("you must specify at least 1 of stdin, stdout, stderr");
  // A terminal has one output.
  return request.tty ? { ...request, stderr: false } : request;
}

function commandSession(request: AttachRequest, start: () => Promise<ProcessStreams>): Session {
  const run = (channels: CommandChannels): Promise<void> => runRemoteCommand(start, channels);
  return {
    protocols: { websocket: COMMAND_PROTOCOLS, spdy: SPDY_COMMAND_PROTOCOLS },
    overWebSocket: (socket) => run(websocketChannels(socket, request)),
    overSpdy: async (transport) => run(await spdyChannels(transport, request)),
  };
}

function portForwardSession(dial: (port: number) => Promise<Duplex>): Session {
  return {
    protocols: { websocket: [TUNNEL_PROTOCOL], spdy: [PORT_FORWARD_PROTOCOL] },
    overWebSocket: (socket) => servePortForward(createWebSocketStream(socket), dial),
    overSpdy: (transport) => servePortForward(transport, dial),
  };
}
