import { Duplex } from "node:stream";
import { dataFrame, frameReader, goawayFrame, pingFrame, resetFrame, synReplyFrame, type Frame } from "./frames.ts";
import { headerReader, headerWriter, type SpdyHeaders } from "./headers.ts";

/** One stream that the client opened. */
export interface SpdyStream extends Duplex {
  readonly id: number;
  readonly headers: SpdyHeaders;
}

export interface SpdyConnection {
  /** Says goodbye and ends the connection after what was written. */
  close(): void;
}

export interface SpdyHandlers {
  /** A stream was opened and accepted. */
  onStream(stream: SpdyStream): void;
  /** The connection is over. */
  onClose(): void;
}

/** Streams that a client may have open at once on a connection; further ones are refused. */
const MAX_STREAMS = 1000;
const STREAM_BUFFER_BYTES = 64 * 1024;

/**
 * The server's side of SPDY/3.1 over any byte stream. Like the library behind kubectl it has no flow control of its own:
 * a stream whose reader is slow holds the whole connection back.
 */
export function spdyConnection(transport: Duplex, { onStream, onClose }: SpdyHandlers): SpdyConnection {
  const streams = new Map<number, SpdyStream>();
  const readFrames = frameReader();
  const writeHeaders = headerWriter();
  const headers = headerReader();
  let lastStreamId = 0;
  let over = false;

  const send = (frame: Buffer, done?: (error?: Error | null) => void): void => {
    if (over || transport.destroyed || transport.writableEnded) done?.();
    else transport.write(frame, done);
  };
  const end = (): void => {
    if (over) return;
    over = true;
    headers.close();
    for (const stream of streams.values()) stream.destroy();
    streams.clear();
    onClose();
  };
  const open = async (frame: Frame & { type: "syn-stream" }): Promise<void> => {
    const read = await headers.read(frame.headerBlock);
    lastStreamId = Math.max(lastStreamId, frame.streamId);
    if (streams.size >= MAX_STREAMS || streams.has(frame.streamId)) return send(resetFrame(frame.streamId));
    send(synReplyFrame(frame.streamId, writeHeaders({})));
    const stream = makeStream(frame.streamId, read, send, () => streams.delete(frame.streamId));
    streams.set(frame.streamId, stream);
    if (frame.fin) stream.push(null);
    onStream(stream);
  };
  const receive = async (frame: Frame): Promise<void> => {
    switch (frame.type) {
      case "syn-stream":
        return open(frame);
      case "data": {
        const stream = streams.get(frame.streamId);
        if (!stream) return;
        const full = frame.data.length > 0 && !stream.push(frame.data);
        if (frame.fin) stream.push(null);
        if (full && !frame.fin) await roomIn(stream);
        return;
      }
      case "syn-reply":
      case "headers":
        // Read all the same: the compression state goes on through them.
        await headers.read(frame.headerBlock);
        if (frame.type === "headers" && frame.fin) streams.get(frame.streamId)?.push(null);
        return;
      case "reset":
        streams.get(frame.streamId)?.destroy();
        return;
      case "ping":
        // Even numbers are answers to the server's own pings, of which there are none.
        if (frame.id % 2 === 1) send(pingFrame(frame.id));
        return;
      default:
        return;
    }
  };
  const pump = async (): Promise<void> => {
    for await (const chunk of transport as AsyncIterable<Buffer>) {
      for (const frame of readFrames(chunk)) await receive(frame);
    }
  };
  pump().then(end, () => {
    transport.destroy();
    end();
  });
  transport.on("close", end);
  return {
    close() {
      if (over) return;
      send(goawayFrame(lastStreamId));
      transport.end();
    },
  };
}

/** Resolves when the stream's reader has taken what was pushed, or the stream is over. */
function roomIn(stream: SpdyStream): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off("room", done);
      stream.off("close", done);
      resolve();
    };
    stream.on("room", done);
    stream.on("close", done);
    if (stream.destroyed) done();
  });
}

function makeStream(
  id: number,
  headers: SpdyHeaders,
  send: (frame: Buffer, done?: (error?: Error | null) => void) => void,
  forget: () => void,
): SpdyStream {
  const stream: Duplex = new Duplex({
    allowHalfOpen: true,
    readableHighWaterMark: STREAM_BUFFER_BYTES,
    writableHighWaterMark: STREAM_BUFFER_BYTES,
    read: () => void stream.emit("room"),
    write: (chunk: Buffer, _encoding, done) => send(dataFrame(id, chunk, false), done),
    final: (done) => send(dataFrame(id, EMPTY, true), done),
  });
  stream.on("close", forget);
  // The other end may reset a stream at any time: that ends it and nothing more.
  stream.on("error", () => undefined);
  return Object.assign(stream, { id, headers });
}

const EMPTY = Buffer.alloc(0);
