import { PassThrough, Writable } from "node:stream";
import type { RawData, WebSocket } from "ws";
import type { AttachRequest } from "../node-streams.ts";
import type { CommandChannels } from "./channels.ts";

/** Subprotocols of exec and attach, by preference; the base64 ones are for clients that can only send text. */
export const COMMAND_PROTOCOLS = ["v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io"];

const STDIN = 0;
const STDOUT = 1;
const STDERR = 2;
const ERROR = 3;
const RESIZE = 4;
/** v5: the byte after it names a channel that the client closes. */
const CLOSE = 255;
const PING_MS = 10_000;
const MAX_MESSAGE_BYTES = 32 * 1024;
const NORMAL_CLOSURE = 1000;

/** A WebSocket as the channels of a remote command: each message starts with the number of its channel. */
export function websocketChannels(socket: WebSocket, request: AttachRequest): CommandChannels {
  const base64 = socket.protocol.includes("base64");
  const stdin = request.stdin ? new PassThrough() : undefined;
  const resize = request.tty ? new PassThrough() : undefined;
  const gone = new AbortController();
  const send = (channel: number, bytes: Uint8Array, done: (error?: Error) => void = () => undefined): void => {
    if (socket.readyState !== socket.OPEN) done();
    else if (base64) socket.send(String(channel) + Buffer.from(bytes).toString("base64"), done);
    else socket.send(Buffer.concat([Buffer.from([channel]), bytes]), done);
  };
  const output = (channel: number): Writable => outputChannel((bytes, done) => send(channel, bytes, done));
  socket.on("message", (data) => {
    const { channel, bytes } = readMessage(data, base64);
    if (channel === STDIN && stdin) feed(socket, stdin, bytes);
    else if (channel === RESIZE) resize?.write(bytes);
    else if (channel === CLOSE && bytes[0] === STDIN) stdin?.end();
  });
  const keepAlive = setInterval(() => socket.ping(), PING_MS);
  socket.on("error", () => socket.terminate());
  socket.on("close", () => {
    clearInterval(keepAlive);
    gone.abort();
    stdin?.end();
    resize?.end();
  });
  // The first message tells the client that it is connected.
  send(request.stdout ? STDOUT : request.stderr ? STDERR : ERROR, EMPTY);
  return {
    stdin,
    stdout: request.stdout ? output(STDOUT) : undefined,
    stderr: request.stderr && !request.tty ? output(STDERR) : undefined,
    resize,
    gone: gone.signal,
    finish(status) {
      send(ERROR, Buffer.from(JSON.stringify(status)), () => socket.close(NORMAL_CLOSURE));
    },
  };
}

const EMPTY = Buffer.alloc(0);

function readMessage(data: RawData, base64: boolean): { channel: number; bytes: Buffer } {
  const raw = Buffer.isBuffer(data) ? data : Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
  if (raw.length === 0) return { channel: -1, bytes: EMPTY };
  if (!base64) return { channel: raw.readUInt8(0), bytes: raw.subarray(1) };
  return { channel: Number(raw.toString("latin1", 0, 1)), bytes: Buffer.from(raw.toString("latin1", 1), "base64") };
}

/** Hands input on; while the process does not read, nothing more is read from the client. */
function feed(socket: WebSocket, to: PassThrough, bytes: Buffer): void {
  if (to.writableEnded || to.write(bytes)) return;
  socket.pause();
  to.once("drain", () => socket.resume());
}

function outputChannel(send: (bytes: Uint8Array, done: (error?: Error) => void) => void): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      const next = (at: number): void => {
        if (at >= chunk.length) return done();
        send(chunk.subarray(at, at + MAX_MESSAGE_BYTES), (error) => (error ? done() : next(at + MAX_MESSAGE_BYTES)));
      };
      next(0);
    },
  });
}
