import type { Duplex } from "node:stream";
import type { AttachRequest } from "../node-streams.ts";
import type { CommandChannels } from "./channels.ts";
import { spdyConnection, type SpdyStream } from "./spdy/connection.ts";

/** X-Stream-Protocol-Version of exec and attach; only v4 tells exit codes. */
export const SPDY_COMMAND_PROTOCOLS = ["v4.channel.k8s.io"];

/** The client opens its streams within this time. */
const CREATION_MS = 30_000;

/** SPDY streams as the channels of a remote command; resolves when the client has opened all that it asked for. */
export function spdyChannels(transport: Duplex, request: AttachRequest): Promise<CommandChannels> {
  const wanted = new Set([
    "error",
    ...(request.stdin ? ["stdin"] : []),
    ...(request.stdout ? ["stdout"] : []),
    ...(request.stderr && !request.tty ? ["stderr"] : []),
    ...(request.tty ? ["resize"] : []),
  ]);
  const opened = new Map<string, SpdyStream>();
  const gone = new AbortController();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      transport.destroy();
      reject(new Error("timed out waiting for client to create streams"));
    }, CREATION_MS);
    const connection = spdyConnection(transport, {
      onStream(stream) {
        const { streamtype: type = "" } = stream.headers;
        if (!wanted.has(type) || opened.has(type)) return void stream.destroy();
        opened.set(type, stream);
        if (opened.size < wanted.size) return;
        clearTimeout(timer);
        resolve(channelsOf(opened, gone.signal, () => connection.close()));
      },
      onClose() {
        clearTimeout(timer);
        gone.abort();
        reject(new Error("the client left"));
      },
    });
  });
}

function channelsOf(opened: ReadonlyMap<string, SpdyStream>, gone: AbortSignal, close: () => void): CommandChannels {
  const error = opened.get("error");
  const outputs = ["stdout", "stderr"].flatMap((type) => opened.get(type) ?? []);
  // Nothing comes in on these. (The way out of stdin stays open: a client takes its end for the end of the command.)
  for (const output of outputs) output.resume();
  return {
    stdin: opened.get("stdin"),
    stdout: opened.get("stdout"),
    stderr: opened.get("stderr"),
    resize: opened.get("resize"),
    gone,
    finish(status) {
      for (const stream of [...outputs, opened.get("stdin")]) stream?.end();
      error?.end(JSON.stringify(status), close);
    },
  };
}
