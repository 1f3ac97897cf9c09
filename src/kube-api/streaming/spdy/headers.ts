// SPDY/3 header blocks: names and values, compressed in one zlib stream per direction (draft 3, section 2.6.10).
import { createInflate, constants, type Inflate } from "node:zlib";
import { SPDY_DICTIONARY } from "./dictionary.ts";

export type SpdyHeaders = Readonly<Record<string, string>>;

/** All header blocks of a connection share one stream, so they are read in order. */
const MAX_BLOCK_BYTES = 64 * 1024;
const MAX_STORED_BYTES = 0xffff;
const DICTIONARY_ADLER = 0xe3c6a7c2;

/**
 * Writes header blocks. They are stored, not compressed: a valid zlib stream all the same, each block aligned to a byte,
 * for some hundred bytes per stream.
 */
export function headerWriter(): (headers: SpdyHeaders) => Buffer {
  let started = false;
  return (headers) => {
    const plain = encode(headers);
    if (plain.length > MAX_STORED_BYTES) throw new RangeError("SPDY headers are too long");
    const block = Buffer.alloc(5);
    block.writeUInt16LE(plain.length, 1);
    block.writeUInt16LE(~plain.length & 0xffff, 3);
    const start = started ? Buffer.alloc(0) : zlibHead();
    started = true;
    return Buffer.concat([start, block, plain, EMPTY_BLOCK]);
  };
}

/** An empty stored block, as a flush leaves it: readers (Go's) hand on what they have when they see it. */
const EMPTY_BLOCK = Buffer.from([0, 0, 0, 0xff, 0xff]);

/** CMF 0x78, FLG with the preset dictionary bit and its check bits, and the dictionary's checksum (RFC 1950). */
function zlibHead(): Buffer {
  const head = Buffer.alloc(6);
  head.writeUInt16BE(0x7820 + (31 - (0x7820 % 31)), 0);
  head.writeUInt32BE(DICTIONARY_ADLER, 2);
  return head;
}

function encode(headers: SpdyHeaders): Buffer {
  const parts: Buffer[] = [];
  const text = (value: string): void => {
    const bytes = Buffer.from(value);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    parts.push(length, bytes);
  };
  const entries = Object.entries(headers);
  const count = Buffer.alloc(4);
  count.writeUInt32BE(entries.length);
  parts.push(count);
  for (const [name, value] of entries) {
    text(name);
    text(value);
  }
  return Buffer.concat(parts);
}

export interface HeaderReader {
  /** Call for each block in order, one after the other. Rejects with RangeError for what is no header block. */
  read(block: Buffer): Promise<SpdyHeaders>;
  close(): void;
}

export function headerReader(): HeaderReader {
  const inflate: Inflate = createInflate({
    dictionary: SPDY_DICTIONARY,
    flush: constants.Z_SYNC_FLUSH,
    finishFlush: constants.Z_SYNC_FLUSH,
  });
  let failure: Error | undefined;
  inflate.on("error", (error) => (failure = error));
  let chunks: Buffer[] = [];
  let bytes = 0;
  inflate.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_BLOCK_BYTES) inflate.destroy(new RangeError("SPDY headers are too long"));
    else chunks.push(chunk);
  });
  return {
    read(block) {
      return new Promise((resolve, reject) => {
        chunks = [];
        bytes = 0;
        const fail = (error: Error): void => reject(new RangeError(`SPDY headers: ${error.message}`));
        if (failure) return fail(failure);
        inflate.once("error", fail);
        inflate.write(block, () => {
          // What the block held is out before the write's callback, but its event may be one turn behind.
          setImmediate(() => {
            inflate.off("error", fail);
            if (failure) return fail(failure);
            try {
              resolve(decode(Buffer.concat(chunks)));
            } catch (error) {
              reject(error instanceof Error ? error : new RangeError(String(error)));
            }
          });
        });
      });
    },
    close: () => inflate.destroy(),
  };
}

function decode(plain: Buffer): SpdyHeaders {
  const headers: Record<string, string> = Object.create(null) as Record<string, string>;
  let at = 4;
  const text = (): string => {
    const length = plain.readUInt32BE(at);
    if (at + 4 + length > plain.length) throw new RangeError("SPDY headers are cut short");
    const value = plain.toString("utf8", at + 4, at + 4 + length);
    at += 4 + length;
    return value;
  };
  const count = plain.readUInt32BE(0);
  for (let index = 0; index < count; index++) {
    const name = text().toLowerCase();
    headers[name] = text();
  }
  return headers;
}
