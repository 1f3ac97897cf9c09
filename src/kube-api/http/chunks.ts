// Parts of an answer without an end, as many readers get the same ones.
import type { ServerResponse } from "node:http";
import { backlog, write, type Response } from "./exchange.ts";

/** Bytes for any number of readers, together with their frame of HTTP/1.1's chunked encoding. */
export interface Chunk {
  readonly bytes: Uint8Array;
  readonly framed: Uint8Array;
}

/** Parts joined to one chunk. */
export function chunkOf(parts: readonly Uint8Array[]): Chunk {
  const length = parts.reduce((total, part) => total + part.byteLength, 0);
  const head = Buffer.from(`${length.toString(16)}\r\n`);
  const framed = Buffer.concat([head, ...parts, END_OF_LINE], head.byteLength + length + 2);
  return { framed, bytes: framed.subarray(head.byteLength, head.byteLength + length) };
}

const END_OF_LINE = Buffer.from("\r\n");

/** Writes chunks to one reader, whose head is sent. */
export interface ChunkWriter {
  /** The bytes that the reader has not taken yet, this chunk among them. */
  write(chunk: Chunk): number;
  end(last?: Uint8Array): void;
}

/** A chunk that comes sooner after the one before waits: a busy resource's many small writes become few. */
const GATHER_MS = 3;

export function chunkWriter(response: Response): ChunkWriter {
  const put = isChunked(response) ? framedWriter(response) : joinedWriter(response);
  let waiting: Chunk[] = [];
  let waitingBytes = 0;
  let writtenMs = -Infinity;
  let timer: NodeJS.Timeout | undefined;
  const release = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (waiting.length === 0 || response.destroyed) return;
    put(waiting);
    waiting = [];
    waitingBytes = 0;
    writtenMs = performance.now();
  };
  return {
    write(chunk) {
      waiting.push(chunk);
      waitingBytes += chunk.bytes.byteLength;
      const soonMs = writtenMs + GATHER_MS - performance.now();
      if (soonMs <= 0) release();
      else timer ??= setTimeout(release, soonMs);
      return backlog(response) + waitingBytes;
    },
    end(last) {
      release();
      if (last) write(response, last);
      response.end();
    },
  };
}

/** True once the head of an HTTP/1.1 answer of unknown length is out: what follows are chunks. */
function isChunked(response: Response): response is ServerResponse {
  return "chunkedEncoding" in response && response.chunkedEncoding && response.headersSent && response.socket !== null;
}

/** Chunks go straight to the connection, framed once for all readers. */
function framedWriter({ socket }: ServerResponse): (chunks: readonly Chunk[]) => void {
  return (chunks) => {
    socket?.cork();
    for (const { framed } of chunks) socket?.write(framed);
    socket?.uncork();
  };
}

function joinedWriter(response: Response): (chunks: readonly Chunk[]) => void {
  return (chunks) => {
    const [only] = chunks;
    if (only && chunks.length === 1) write(response, only.bytes);
    else write(response, Buffer.concat(chunks.map(({ bytes }) => bytes)));
  };
}
