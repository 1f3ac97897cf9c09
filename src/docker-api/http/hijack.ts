import type { Duplex, Readable, Writable } from "node:stream";
import type { Call } from "./call.ts";
import { detachFilter } from "./detach-keys.ts";
import { unframed } from "./unframed.ts";

export const RAW_STREAM = "application/vnd.docker.raw-stream";
export const MULTIPLEXED_STREAM = "application/vnd.docker.multiplexed-stream";

/** What is left of the connection when HTTP is over: the client's bytes in, ours out. */
export interface Hijacked {
  readonly input: Readable;
  readonly output: Writable;
}

/**
 * Answers and leaves HTTP: 101 on the bare socket when the client asked for the upgrade (docker CLI, docker-py),
 * else 200 with the request's and the answer's bodies as the two directions.
 */
export function hijack(call: Call, contentType: string): Hijacked {
  if (call.upgrade) {
    const socket = call.upgrade.take();
    socket.write(
      `HTTP/1.1 101 UPGRADED\r\nContent-Type: ${contentType}\r\nConnection: Upgrade\r\nUpgrade: ${call.upgrade.protocol}\r\n\r\n`,
    );
    return { input: socket, output: socket };
  }
  call.response.writeHead(200, { "content-type": contentType });
  call.response.flushHeaders();
  return { input: call.body, output: call.response };
}

/** The content type of attached output: framed without a terminal, for clients that know the type (1.42). */
export function streamType(call: Call, terminal: boolean): string {
  return terminal || call.version < 42 ? RAW_STREAM : MULTIPLEXED_STREAM;
}

export interface BridgeOptions {
  /** Whether the client's bytes go to the process; else they are read and dropped. */
  readonly stdin: boolean;
  /** Docker's detach sequence; undefined: none (no terminal). */
  readonly detachKeys: Buffer | undefined;
  /** The process's output is multiplexed, and the client gets the bytes alone. */
  readonly unframe?: boolean;
  /** What has to be so before the client sees the end: it asks for the exit code then. */
  readonly beforeEnd?: () => Promise<unknown>;
}

/** "detached": by its keys; "left": the client has gone. */
export type BridgeOutcome = "ended" | "detached" | "left";

/**
 * Joins a hijacked connection and a process's streams. The client's end of input closes the process's stdin, the end of output
 * closes the connection, and a client that goes away or types the detach keys leaves the process alone.
 * Resolves with how it ended.
 */
export async function bridge(client: Hijacked, process: Duplex, options: BridgeOptions): Promise<BridgeOutcome> {
  let outcome: BridgeOutcome = "ended";
  const done = Promise.withResolvers<void>();
  const letGo = (how: BridgeOutcome): void => {
    outcome = how;
    process.destroy();
    done.resolve();
  };
  const left = (): void => letGo("left");
  const source = options.unframe ? unframedOf(process) : process;
  process.on("error", () => done.resolve());
  source.once("end", () => done.resolve());
  source.once("close", () => done.resolve());
  client.output.once("close", left);
  client.output.on("error", left);
  client.input.on("error", left);
  source.pipe(client.output, { end: false });
  pumpInput(client.input, process, options, () => letGo("detached"));
  await done.promise;
  client.output.off("close", left);
  if (outcome === "ended") await options.beforeEnd?.();
  client.output.end();
  return outcome;
}

function unframedOf(process: Duplex): Duplex {
  const bytes = unframed();
  process.once("close", () => bytes.end());
  return process.pipe(bytes);
}

function pumpInput(input: Readable, process: Duplex, options: BridgeOptions, detach: () => void): void {
  if (!options.stdin) {
    input.resume();
    return;
  }
  const source = options.detachKeys === undefined ? input : input.pipe(detachFilter(options.detachKeys, detach));
  source.pipe(process);
}
