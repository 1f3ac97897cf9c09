// SPDY/3.1 frames (SPDY protocol draft 3.1, section 2.6): what kubectl's older streaming speaks, and port-forward still.

export type Frame =
  | { readonly type: "data"; readonly streamId: number; readonly fin: boolean; readonly data: Buffer }
  | { readonly type: "syn-stream"; readonly streamId: number; readonly fin: boolean; readonly headerBlock: Buffer }
  | { readonly type: "syn-reply"; readonly streamId: number; readonly fin: boolean; readonly headerBlock: Buffer }
  | { readonly type: "headers"; readonly streamId: number; readonly fin: boolean; readonly headerBlock: Buffer }
  | { readonly type: "reset"; readonly streamId: number }
  | { readonly type: "ping"; readonly id: number }
  | { readonly type: "goaway" }
  /** SETTINGS, WINDOW_UPDATE and what else needs no answer. */
  | { readonly type: "ignored" };

const HEAD_BYTES = 8;
const FIN = 0x01;
const CONTROL = 0x80;
const VERSION = 3;
/** Longer frames end the connection. */
const MAX_FRAME_BYTES = 4 * 2 ** 20;

/** Takes frames out of a byte stream as it comes. Throws RangeError for frames that are no SPDY/3.1. */
export function frameReader(): (chunk: Buffer) => Frame[] {
  let pending: Buffer = Buffer.alloc(0);
  return (chunk) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    const frames: Frame[] = [];
    for (;;) {
      if (pending.length < HEAD_BYTES) return frames;
      const length = pending.readUIntBE(5, 3);
      if (length > MAX_FRAME_BYTES) throw new RangeError(`SPDY frame of ${length} bytes`);
      if (pending.length < HEAD_BYTES + length) return frames;
      frames.push(parse(pending.subarray(0, HEAD_BYTES), pending.subarray(HEAD_BYTES, HEAD_BYTES + length)));
      pending = pending.subarray(HEAD_BYTES + length);
    }
  };
}

function parse(head: Buffer, body: Buffer): Frame {
  const fin = (head.readUInt8(4) & FIN) !== 0;
  if ((head.readUInt8(0) & CONTROL) === 0)
    return { type: "data", streamId: streamIdAt(head), fin, data: Buffer.from(body) };
  const version = head.readUInt16BE(0) & 0x7fff;
  if (version !== VERSION) throw new RangeError(`SPDY version ${version}`);
  const type = head.readUInt16BE(2);
  if (body.length < 4) throw new RangeError("SPDY control frame is cut short");
  switch (type) {
    case 1:
      if (body.length < 10) throw new RangeError("SYN_STREAM is cut short");
      return { type: "syn-stream", streamId: streamIdAt(body), fin, headerBlock: Buffer.from(body.subarray(10)) };
    case 2:
      return { type: "syn-reply", streamId: streamIdAt(body), fin, headerBlock: Buffer.from(body.subarray(4)) };
    case 3:
      return { type: "reset", streamId: streamIdAt(body) };
    case 6:
      return { type: "ping", id: body.readUInt32BE(0) };
    case 7:
      return { type: "goaway" };
    case 8:
      return { type: "headers", streamId: streamIdAt(body), fin, headerBlock: Buffer.from(body.subarray(4)) };
    default:
      return { type: "ignored" };
  }
}

function streamIdAt(bytes: Buffer): number {
  return bytes.readUInt32BE(0) & 0x7fffffff;
}

export function dataFrame(streamId: number, data: Uint8Array, fin: boolean): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32BE(streamId, 0);
  head.writeUInt8(fin ? FIN : 0, 4);
  head.writeUIntBE(data.byteLength, 5, 3);
  return Buffer.concat([head, data]);
}

function controlFrame(type: number, body: Buffer): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt16BE(0x8000 | VERSION, 0);
  head.writeUInt16BE(type, 2);
  head.writeUIntBE(body.length, 5, 3);
  return Buffer.concat([head, body]);
}

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => bytes.writeUInt32BE(value, index * 4));
  return bytes;
}

export function synReplyFrame(streamId: number, headerBlock: Buffer): Buffer {
  return controlFrame(2, Buffer.concat([words(streamId), headerBlock]));
}

/** A stream of the peer's that is not wanted. Status 3: refused. */
export function resetFrame(streamId: number, status = 3): Buffer {
  return controlFrame(3, words(streamId, status));
}

export function pingFrame(id: number): Buffer {
  return controlFrame(6, words(id));
}

export function goawayFrame(lastStreamId: number): Buffer {
  return controlFrame(7, words(lastStreamId, 0));
}
