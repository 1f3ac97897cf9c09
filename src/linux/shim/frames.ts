import { byteReader, byteWriter, type ByteReader, type ByteWriter } from "./bytes.ts";

/** The kinds of frames between daemon and shim; native/shim/connection.c has the same numbers. */
export const FRAME = {
  spawn: 1,
  resume: 2,
  list: 3,
  signal: 4,
  resize: 5,
  attach: 6,
  reopenLog: 7,
  acknowledge: 8,
  ok: 128,
  failed: 129,
  hello: 130,
  exit: 131,
  oom: 132,
  notify: 133,
} as const;

/** The shim's protocol that this client speaks. */
export const PROTOCOL_VERSION = 1;

/** "No step": the failure of a request other than a launch. */
export const NO_STEP = 0xffffffff;

export interface Frame {
  /** 0: an event. */
  readonly request: number;
  readonly kind: number;
  readonly body: ByteReader;
}

/** Length of what follows, request number, kind; then the body. */
const HEADER_BYTES = 10;

export function encodeFrame(kind: number, request: number, write: (body: ByteWriter) => void): Buffer {
  const body = byteWriter();
  write(body);
  const bytes = body.finish();
  const frame = Buffer.allocUnsafe(HEADER_BYTES + bytes.length);
  frame.writeUInt32LE(HEADER_BYTES - 4 + bytes.length, 0);
  frame.writeUInt32LE(request, 4);
  frame.writeUInt16LE(kind, 8);
  bytes.copy(frame, HEADER_BYTES);
  return frame;
}

/** Cuts a stream of bytes into frames. `rest` is what has come of the next one (or of whatever follows the last). */
export interface FrameDecoder {
  push(chunk: Buffer): void;
  next(): Frame | undefined;
  rest(): Buffer;
}

export function frameDecoder(): FrameDecoder {
  let pending: Buffer = Buffer.alloc(0);
  return {
    push(chunk) {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    },
    next() {
      if (pending.length < HEADER_BYTES) return undefined;
      const end = 4 + pending.readUInt32LE(0);
      if (pending.length < end) return undefined;
      const frame = {
        request: pending.readUInt32LE(4),
        kind: pending.readUInt16LE(8),
        body: byteReader(pending.subarray(HEADER_BYTES, end)),
      };
      pending = pending.subarray(end);
      return frame;
    },
    rest: () => pending,
  };
}
