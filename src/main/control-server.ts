import { chmodSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { errorText } from "#base/errors.ts";
import { requestUrl } from "#base/request-url.ts";
import type { GantryStatus, StopOptions } from "#cli/ports.ts";

export interface ControlServer {
  close(): void;
}

/** Serves `gantry status` and `gantry down` on a socket that only root may open (0600). */
export async function listenControl(
  socketPath: string,
  handlers: { status(): GantryStatus; stop(options: StopOptions): Promise<void> },
): Promise<ControlServer> {
  const server = createServer((request, response) => {
    const url = requestUrl(request.url);
    if (request.method === "GET" && url.pathname === "/status") {
      response.end(JSON.stringify(handlers.status()));
    } else if (request.method === "POST" && url.pathname === "/stop") {
      handlers.stop(stopOptions(url.searchParams)).then(
        () => response.end("stopped"),
        (error: unknown) => response.writeHead(500).end(errorText(error)),
      );
    } else {
      response.writeHead(404).end(`no such control call: ${request.method} ${url.pathname}`);
    }
  });
  rmSync(socketPath, { force: true });
  await listen(server, socketPath);
  chmodSync(socketPath, 0o600);
  return { close: () => server.close() };
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
