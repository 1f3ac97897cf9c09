import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";

/** A connection that sends one HTTP/1.1 request after the other and reads no more of the answers than it must: the load should not be what is measured. */
export interface HttpConnection {
  /** The answer's status and body length. Rejects when the connection ends. */
  send(method: string, path: string, body?: string, type?: string): Promise<{ status: number; bytes: number }>;
  close(): void;
}

export async function openConnection(options: ConnectionOptions): Promise<HttpConnection> {
  const socket = await connected(options);
  let done: ((answer: { status: number; bytes: number }) => void) | undefined;
  let failed: ((error: Error) => void) | undefined;
  let head = "";
  let left = -1;
  let answer = { status: 0, bytes: 0 };
  const read = (chunk: Buffer): void => {
    let body = chunk.byteLength;
    if (left < 0) {
      const text = chunk.toString("latin1", 0, 2048);
      const before = head.length;
      head += text;
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) return;
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      answer = { status: Number(head.slice(9, 12)), bytes: length };
      left = length;
      body = chunk.byteLength - (end + 4 - before);
      head = "";
    }
    left -= body;
    if (left > 0) return;
    left = -1;
    done?.(answer);
  };
  socket.on("data", read);
  socket.on("close", () => failed?.(new Error("the server closed the connection")));
  return {
    send(method, path, body = "", type = "application/json") {
      const entity = body === "" ? "" : `content-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`;
      return new Promise((resolve, reject) => {
        done = resolve;
        failed = reject;
        socket.write(`${method} ${path} HTTP/1.1\r\nhost: api\r\nuser-agent: bench\r\n${entity}\r\n${body}`);
      });
    },
    close: () => socket.destroy(),
  };
}

export interface WatchConnection {
  bytes(): number;
  /** How many times `"type":"ADDED"` and the like came. */
  events(): number;
  close(): void;
}

/** Watches a path and counts what comes; reads the events only if `counting`. */
export async function openWatch(options: ConnectionOptions, path: string, counting: boolean): Promise<WatchConnection> {
  const socket = await connected(options);
  let bytes = 0;
  let events = 0;
  let tail = "";
  socket.on("data", (chunk: Buffer) => {
    bytes += chunk.byteLength;
    if (!counting) return;
    const text = tail + chunk.toString("latin1");
    events += text.split('{"type":"').length - 1;
    tail = text.slice(-8).includes('{"type":"') ? "" : text.slice(-8);
  });
  socket.on("error", () => socket.destroy());
  socket.write(`GET ${path} HTTP/1.1\r\nhost: api\r\n\r\n`);
  await new Promise((resolve) => socket.once("data", resolve));
  return { bytes: () => bytes, events: () => events, close: () => socket.destroy() };
}

function connected(options: ConnectionOptions): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...options, ALPNProtocols: ["http/1.1"] }, () => resolve(socket));
    socket.setNoDelay(true);
    socket.once("error", reject);
  });
}
