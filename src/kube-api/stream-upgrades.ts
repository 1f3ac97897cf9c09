import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Logger } from "#base/logger.ts";
import type { AttachRequest, ProcessStreams } from "./node-streams.ts";
import { commandSession, portForwardSession, serveUpgrades } from "./streaming/serve-upgrades.ts";

/** What a client's streams are to be connected with. */
export type StreamTarget =
  | { readonly kind: "command"; readonly request: AttachRequest; start(): Promise<ProcessStreams> }
  | { readonly kind: "port-forward"; dial(port: number): Promise<Duplex> };

/**
 * The streaming protocols of Kubernetes (remotecommand, port-forward; WebSocket and SPDY) for a server that is no API server: a kubelet.
 * `open` says what a request wants, or throws what it is refused with.
 */
export function streamUpgrades(
  open: (request: IncomingMessage) => Promise<StreamTarget>,
  logger: Logger,
): (request: IncomingMessage, socket: Duplex, head: Buffer) => Promise<void> {
  return serveUpgrades(async (request) => {
    const target = await open(request);
    return target.kind === "command"
      ? commandSession(target.request, () => target.start())
      : portForwardSession((port) => target.dial(port));
  }, logger);
}
