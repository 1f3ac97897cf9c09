import { readdir } from "node:fs/promises";
import type { Server as HttpServer } from "node:http";
import { connect as connectTo, type Socket } from "node:net";
import { duplexPair, type Duplex } from "node:stream";
import { errorText, GantryError } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import type { ImageStore } from "#images/image-store.ts";
import type { LocalRegistry } from "#images/registry-options.ts";
import { createRegistry, type AccessRules, type Registry } from "#registry/create-registry.ts";
import {
  listenRegistry,
  registryServer,
  type Handle,
  type ListenOptions,
  type RegistryServer,
} from "#registry/serve-registry.ts";

/** The registry that is built in: it serves the machine's own images, and costs nothing until somebody asks for it. */
export interface RegistrySide {
  /** How the daemon's own pulls and pushes reach it. */
  readonly local: LocalRegistry;
  /** Listens when there is something to serve, or when the address was asked for. */
  start(): Promise<void>;
  /** A further address, with rules of its own. */
  listen(options: ListenOptions, rules?: AccessRules): Promise<RegistryServer>;
  close(): Promise<void>;
}

export interface RegistrySideOptions {
  /** Where the repositories are written down. */
  readonly stateDir: string;
  readonly images: () => ImageStore;
  readonly address: RegistryAddress;
  readonly logger: Logger;
}

/** Where the built-in registry is found. `asked`: it must listen, and from the start. undefined port: there is none. */
export interface RegistryAddress {
  readonly port: number | undefined;
  readonly asked: boolean;
}

/** Docker's own default for a registry on this machine. */
const DEFAULT_PORT = 5000;

/** Reads `--registry-listen`: `127.0.0.1:5000`, a port, or `none`. Throws `invalid` for an address that others could reach. */
export function registryAddress(text: string | undefined): RegistryAddress {
  if (text === undefined) return { port: DEFAULT_PORT, asked: false };
  if (text === "none") return { port: undefined, asked: false };
  const [, host, port] = /^(?:(127\.0\.0\.1|localhost):)?(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined || Number(port) > 65535 || Number(port) === 0)
    throw new GantryError(
      "invalid",
      `--registry-listen ${text}: wanted 127.0.0.1:<port> or none (for other machines: gantry registry --listen, with a password and a certificate)`,
      { host },
    );
  return { port: Number(port), asked: true };
}

export function openRegistrySide(options: RegistrySideOptions): RegistrySide {
  const { address } = options;
  let registry: Promise<Registry> | undefined;
  const open = (): Promise<Registry> => (registry ??= createRegistry(options.images(), options));
  const servers = new Set<RegistryServer>();
  const serve = async (where: ListenOptions, rules?: AccessRules): Promise<RegistryServer> => {
    const handle: Handle = async (request, response) => (await open()).handle(request, response, rules);
    const server = await listenRegistry(handle, where);
    servers.add(server);
    return { url: server.url, close: () => (servers.delete(server), server.close()) };
  };
  let home: Promise<void> | undefined;
  const listenAtHome = (): Promise<void> => (home ??= takeHome(options, serve));
  const inside = registryServer(async (request, response) => {
    await (await open()).handle(request, response);
    // Something is there now that others on this machine may want.
    if (request.method === "PUT") void listenAtHome();
  });
  return {
    local: {
      serves: (host) =>
        address.port !== undefined && [`localhost:${address.port}`, `127.0.0.1:${address.port}`].includes(host),
      connect: async (host) => (await connectionTo(host)) ?? insideConnection(inside),
    },
    async start() {
      if (address.port !== undefined && (address.asked || (await hasRepositories(options.stateDir))))
        await listenAtHome();
    },
    listen: serve,
    async close() {
      await home;
      for (const server of servers) await server.close();
      inside.closeAllConnections();
      await (await registry)?.close();
    },
  };
}

/** Takes the port of the built-in registry. When somebody else has it, that is an error only if it was asked for. */
async function takeHome(
  { address, logger }: RegistrySideOptions,
  serve: (where: ListenOptions) => Promise<unknown>,
): Promise<void> {
  if (address.port === undefined) return;
  try {
    await serve({ host: "127.0.0.1", port: address.port });
  } catch (error) {
    if (address.asked) throw error;
    logger.info({ port: address.port, error: errorText(error) }, "the built-in registry listens on no port");
  }
}

async function hasRepositories(folder: string): Promise<boolean> {
  try {
    return (await readdir(folder)).some((name) => name.endsWith(".json"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

/** Whoever listens at the address comes first, as without a built-in registry. */
function connectionTo(host: string): Promise<Socket | undefined> {
  const [name, port] = host.split(":");
  return new Promise((resolve, reject) => {
    const socket = connectTo({ host: name ?? "localhost", port: Number(port) });
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED") resolve(undefined);
      else reject(error);
    });
  });
}

/** A connection that stays in the process: HTTP's code wants a few methods of sockets on it. */
function insideConnection(server: HttpServer): Duplex {
  const [ours, theirs] = duplexPair({ highWaterMark: 1024 * 1024 });
  server.emit("connection", asSocket(theirs));
  return asSocket(ours);
}

function asSocket(stream: Duplex): Duplex {
  const same = (): Duplex => stream;
  return Object.assign(stream, { setTimeout: same, setKeepAlive: same, setNoDelay: same, ref: same, unref: same });
}
