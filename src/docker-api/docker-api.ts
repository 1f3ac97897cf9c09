import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { openBuilder } from "#build/builder.ts";
import { createContainerFiles } from "#containers/container-files.ts";
import { containerRoutes } from "./containers/routes.ts";
import type { Deps, DockerApiOptions } from "./deps.ts";
import { buildHandler, pruneBuildHandler } from "./build/build.ts";
import { bundleBuildHandler, imageFilesHandler } from "./build/bundle.ts";
import { createJournal } from "./events/journal.ts";
import { execRoutes } from "./exec/routes.ts";
import { readHost } from "./host/read-host.ts";
import { route } from "./http/call.ts";
import { createRouter } from "./http/router.ts";
import { handleRequest, handleUpgrade, type Edge } from "./http/server.ts";
import { listenOnSocket } from "./http/unix-socket.ts";
import { imageRoutes } from "./images/routes.ts";
import { networkRoutes } from "./networks/routes.ts";
import { refusalRoutes } from "./swarm/routes.ts";
import { systemRoutes } from "./system/routes.ts";
import { volumeRoutes } from "./volumes/routes.ts";

/** The most connections at once; further ones are closed at once. */
const CONNECTION_LIMIT = 4096;

/** The Docker Engine HTTP API over an engine. */
export interface DockerApi {
  /** For a node:http server of one's own. */
  handle(request: IncomingMessage, response: ServerResponse): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Serves on a Unix socket (mode 0660), in the place of one that nobody listens on any more. `conflict` when somebody does. */
  listen(socketPath: string): Promise<void>;
  /** Stops listening and ends every connection. */
  close(): Promise<void>;
}

export async function createDockerApi(options: DockerApiOptions): Promise<DockerApi> {
  const deps: Deps = {
    ...options,
    host: readHost(options.limits, options.limitWarnings),
    files: createContainerFiles(options.engine, options.images),
    builder: await openBuilder({
      ...options,
      directory: join(options.dataRoot, "build"),
      runDirectory: join(options.runRoot, "build"),
    }),
    journal: createJournal(options.engine, options.images, options.clock),
  };
  const edge: Edge = {
    router: createRouter(allRoutes(deps)),
    logger: options.logger,
    serverName: `Gantry/${options.version} (linux)`,
  };
  const servers = new Set<Server>();
  const api: DockerApi = {
    handle: (request, response) => void handleRequest(edge, request, response),
    upgrade: (request, socket, head) => void handleUpgrade(edge, request, socket, head),
    async listen(socketPath) {
      const server = createApiServer(api);
      await listenOnSocket(server, socketPath);
      servers.add(server);
    },
    async close() {
      deps.journal.close();
      await Promise.all(Array.from(servers, closeServer));
    },
  };
  return api;
}

function allRoutes(deps: Deps): ReturnType<typeof containerRoutes> {
  return [
    ...systemRoutes(deps),
    ...containerRoutes(deps),
    ...execRoutes(deps),
    ...imageRoutes(deps),
    ...networkRoutes(deps),
    ...volumeRoutes(deps),
    route("POST", "/build", buildHandler(deps)),
    route("POST", "/build/prune", pruneBuildHandler(deps)),
    route("POST", "/gantry/build", bundleBuildHandler(deps)),
    route("GET", "/gantry/images/{name...}/files", imageFilesHandler(deps)),
    ...refusalRoutes(),
  ];
}

/** Requests may last for hours (logs, attach, load): only the headers have a deadline. */
function createApiServer(api: DockerApi): Server {
  const server = createServer({ requestTimeout: 0, headersTimeout: 60_000, keepAliveTimeout: 60_000, noDelay: true });
  server.maxConnections = CONNECTION_LIMIT;
  server.on("request", api.handle);
  server.on("upgrade", (request, socket, head) => {
    upgraded(server).add(socket);
    socket.once("close", () => upgraded(server).delete(socket));
    api.upgrade(request, socket, head);
  });
  return server;
}

/** Sockets that left HTTP: the server no longer knows of them, so closing ends them here. */
const upgradedSockets = new WeakMap<Server, Set<Duplex>>();

function upgraded(server: Server): Set<Duplex> {
  let sockets = upgradedSockets.get(server);
  if (!sockets) upgradedSockets.set(server, (sockets = new Set()));
  return sockets;
}

async function closeServer(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeAllConnections();
  for (const socket of upgraded(server)) socket.destroy();
  await promise;
}
