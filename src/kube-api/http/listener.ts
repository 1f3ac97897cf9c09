import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from "node:http2";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { AddressInfo, Socket } from "node:net";
import { errorText } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import type { KeyPair } from "../certificates.ts";
import type { Request, Response } from "./exchange.ts";

export interface ListenerOptions {
  readonly caCert: string;
  readonly server: KeyPair;
  readonly handle: (request: Request, response: Response) => Promise<void>;
  /** An HTTP/1.1 request that wants another protocol. */
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => Promise<void>;
  readonly logger: Logger;
}

export interface Listener {
  readonly port: number;
  readonly address: string;
  close(): Promise<void>;
}

/** Streams that one HTTP/2 connection may have open at once (k8s.io/apiserver: 250). */
const MAX_STREAMS = 250;
/** Streams that a connection may reset within a second; a flood beyond it ends the connection (CVE-2023-44487). */
const MAX_RESETS_PER_SECOND = 500;
const MAX_CONNECTIONS = 10_000;
const HANDSHAKE_MS = 10_000;
/** For connections that speak HTTP/1.1; watches have no time limit of their own here. */
const HTTP1_LIMITS = {
  maxHeaderSize: 64 * 1024,
  headersTimeout: 32_000,
  requestTimeout: 0,
  // As kube-apiserver's: a client that keeps connections for less never finds one closed as it uses it.
  keepAliveTimeout: 90_000,
};

/** Serves TLS only, HTTP/1.1 and HTTP/2 on one port. Clients may show a certificate of the cluster's authority. */
export async function listen(options: ListenerOptions, host: string, port: number): Promise<Listener> {
  const { caCert, server: pair, handle, upgrade, logger } = options;
  const server = createSecureServer({
    allowHTTP1: true,
    cert: pair.cert,
    key: pair.key,
    ca: caCert,
    requestCert: true,
    // Clients without a certificate may have a token; one of a foreign authority is refused with 401.
    rejectUnauthorized: false,
    minVersion: "TLSv1.2",
    handshakeTimeout: HANDSHAKE_MS,
    settings: { maxConcurrentStreams: MAX_STREAMS, initialWindowSize: 256 * 1024 },
    maxSessionMemory: 64,
    streamResetBurst: MAX_RESETS_PER_SECOND,
    streamResetRate: MAX_RESETS_PER_SECOND,
    ...HTTP1_LIMITS,
  });
  server.maxConnections = MAX_CONNECTIONS;
  const sockets = new Set<Socket>();
  const sessions = new Set<ServerHttp2Session>();
  // Those that shake hands still are closed with the rest.
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.on("secureConnection", (socket) => {
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
  });
  server.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
    session.on("error", (error) => logger.debug({ error: errorText(error) }, "HTTP/2 session ended"));
  });
  server.on("request", (request, response) => {
    request.on("error", ignoreClosed);
    response.on("error", ignoreClosed);
    void handle(request, response);
  });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", () => socket.destroy());
    void upgrade(request, socket, head);
  });
  await start(server, host, port);
  const address = server.address() as AddressInfo;
  return {
    port: address.port,
    address: address.address,
    close: () => close(server, sessions, sockets),
  };
}

/** A client that leaves in the middle is none of our troubles. */
function ignoreClosed(): void {
  return undefined;
}

function start(server: Http2SecureServer, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function close(
  server: Http2SecureServer,
  sessions: ReadonlySet<ServerHttp2Session>,
  sockets: ReadonlySet<Socket>,
): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    for (const session of sessions) session.destroy();
    for (const socket of sockets) socket.destroy();
  });
}
