import { chmodSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { errorText, GantryError, isGantryError } from "#base/errors.ts";
import { requestUrl } from "#base/request-url.ts";
import type { GantryStatus, RegistryServing, StopOptions } from "#cli/ports.ts";
import { nodeCall } from "./node-calls.ts";
import type { NodeSet } from "./node-set.ts";
import type { RegistryServer } from "#registry/serve-registry.ts";

export interface ControlServer {
  close(): void;
}

/** Serves `gantry status`, `gantry down` and `gantry node` on a socket that only root may open (0600). */
export async function listenControl(
  socketPath: string,
  handlers: {
    status(): GantryStatus;
    stop(options: StopOptions): Promise<void>;
    /** Undefined: without Kubernetes. */
    nodes: NodeSet | undefined;
    /** Rejects without Kubernetes. */
    saveSnapshot(target: string): Promise<void>;
    serveRegistry(serving: RegistryServing): Promise<RegistryServer>;
  },
): Promise<ControlServer> {
  const lasting = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    const url = requestUrl(request.url);
    if (request.method === "GET" && url.pathname === "/status") {
      response.end(JSON.stringify(handlers.status()));
    } else if (request.method === "POST" && url.pathname === "/stop") {
      handlers.stop(stopOptions(url.searchParams)).then(
        () => response.end("stopped"),
        (error: unknown) => response.writeHead(500).end(errorText(error)),
      );
    } else if (request.method === "POST" && url.pathname === "/registry") {
      lasting.add(response);
      response.once("close", () => lasting.delete(response));
      serveWhileConnected(request, response, handlers.serveRegistry).catch((error: unknown) =>
        response.writeHead(400).end(errorText(error)),
      );
    } else if (request.method === "POST" && url.pathname === "/snapshot") {
      handlers.saveSnapshot(url.searchParams.get("path") ?? "").then(
        () => response.end("saved"),
        (error: unknown) => response.writeHead(isGantryError(error) ? 409 : 500).end(errorText(error)),
      );
    } else if (url.pathname === "/nodes") {
      nodeCall(handlers.nodes, request.method ?? "", url.searchParams).then(
        (answer) => response.end(answer),
        (error: unknown) => response.writeHead(isGantryError(error) ? 409 : 500).end(errorText(error)),
      );
    } else {
      response.writeHead(404).end(`no such control call: ${request.method} ${url.pathname}`);
    }
  });
  rmSync(socketPath, { force: true });
  await listen(server, socketPath);
  chmodSync(socketPath, 0o600);
  return {
    close() {
      server.close();
      // `gantry registry` stays connected for as long as it is served.
      for (const response of lasting) response.destroy();
    },
  };
}

/** A registry's address for as long as the request lasts. */
async function serveWhileConnected(
  request: IncomingMessage,
  response: ServerResponse,
  serve: (serving: RegistryServing) => Promise<RegistryServer>,
): Promise<void> {
  const gone = new Promise((resolve) => response.once("close", resolve));
  const server = await serve(JSON.parse(await readText(request)) as RegistryServing);
  response.write(`${server.url}\n`);
  await gone;
  await server.close();
}

/** Requests on this socket are our own command's, and small. */
const REQUEST_LIMIT_BYTES = 64 * 1024;

async function readText(request: IncomingMessage): Promise<string> {
  let text = "";
  request.setEncoding("utf8");
  for await (const chunk of request as AsyncIterable<string>) {
    text += chunk;
    if (text.length > REQUEST_LIMIT_BYTES) throw new GantryError("too-large", "control request is too large");
  }
  return text;
}

function stopOptions(query: URLSearchParams): StopOptions {
  const timeout = query.get("timeout");
  return {
    containers: query.get("containers") !== "false",
    ...(timeout === null ? {} : { timeoutSeconds: Number(timeout) }),
  };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => resolve());
  });
}
