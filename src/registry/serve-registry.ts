import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { GantryError } from "#base/errors.ts";

export interface ListenOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** PEM: the server then speaks HTTPS. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer };
}

export interface RegistryServer {
  /** `http://127.0.0.1:5000` */
  readonly url: string;
  /** Ends the connections, too. */
  close(): Promise<void>;
}

/** `Registry.handle`, rules included. */
export type Handle = (request: http.IncomingMessage, response: http.ServerResponse) => Promise<void>;

/** Connections at a time; further ones are closed. */
const MAX_CONNECTIONS = 1024;

/** A server for `registry`, on no address yet. Blobs take long: only the head of a request has a deadline. */
export function registryServer(handle: Handle, tls?: ListenOptions["tls"]): http.Server | https.Server {
  const options = { requestTimeout: 0, headersTimeout: 60_000, keepAliveTimeout: 60_000 };
  const listener = (request: http.IncomingMessage, response: http.ServerResponse): void =>
    void handle(request, response);
  const server = tls
    ? https.createServer({ ...options, cert: tls.cert, key: tls.key, minVersion: "TLSv1.2" }, listener)
    : http.createServer(options, listener);
  server.maxConnections = MAX_CONNECTIONS;
  return server;
}

/** Listens for clients of a registry. Throws `conflict` when the address is taken, `invalid` for a bad certificate. */
export async function listenRegistry(handle: Handle, options: ListenOptions): Promise<RegistryServer> {
  const { host, tls } = options;
  const server = makeServer(handle, tls);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(listenError(error, options)));
    server.listen(options.port, host, () => resolve());
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `${tls ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${port}`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function makeServer(handle: Handle, tls: ListenOptions["tls"]): http.Server | https.Server {
  try {
    return registryServer(handle, tls);
  } catch (error) {
    throw new GantryError("invalid", `registry certificate: ${(error as Error).message}`, {}, error);
  }
}

function listenError(error: NodeJS.ErrnoException, { host, port }: ListenOptions): GantryError {
  const taken = error.code === "EADDRINUSE";
  return new GantryError(
    taken ? "conflict" : "unavailable",
    taken
      ? `the registry's address ${host}:${port} is in use: choose another with --listen`
      : `${host}:${port}: ${error.message}`,
    { code: error.code },
    error,
  );
}
