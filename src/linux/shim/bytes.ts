import { GantryError } from "#base/errors.ts";

/** Encodes values as the shim reads them: little-endian; strings are length, bytes, NUL. */
export interface ByteWriter {
  u16(value: number): void;
  u32(value: number): void;
  i32(value: number): void;
  u64(value: bigint): void;
  string(value: string): void;
  strings(values: readonly string[]): void;
  u32s(values: readonly number[]): void;
  /** With its length before it. */
  bytes(value: Uint8Array): void;
  raw(value: Uint8Array): void;
  finish(): Buffer;
}

export function byteWriter(): ByteWriter {
  let buffer = Buffer.allocUnsafe(256);
  let length = 0;
  /** Where the next `bytes` bytes go; the buffer may be another one afterwards. */
  const take = (bytes: number): number => {
    if (length + bytes > buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(buffer.length * 2, length + bytes));
      buffer.copy(larger, 0, 0, length);
      buffer = larger;
    }
    length += bytes;
    return length - bytes;
  };
  const writer: ByteWriter = {
    u16(value) {
      const at = take(2);
      buffer.writeUInt16LE(value, at);
    },
    u32(value) {
      const at = take(4);
      buffer.writeUInt32LE(value, at);
    },
    i32(value) {
      const at = take(4);
      buffer.writeInt32LE(value, at);
    },
    u64(value) {
      const at = take(8);
      buffer.writeBigUInt64LE(value, at);
    },
    string(value) {
      if (value.includes("\0")) throw new GantryError("invalid", `a NUL byte in ${JSON.stringify(value)}`);
      const bytes = Buffer.byteLength(value);
      writer.u32(bytes);
      const at = take(bytes + 1);
      buffer.write(value, at, "utf8");
      buffer[at + bytes] = 0;
    },
    strings(values) {
      writer.u32(values.length);
      for (const value of values) writer.string(value);
    },
    u32s(values) {
      writer.u32(values.length);
      for (const value of values) writer.u32(value);
    },
    bytes(value) {
      writer.u32(value.length);
      writer.raw(value);
    },
    raw(value) {
      const at = take(value.length);
      buffer.set(value, at);
    },
    finish: () => buffer.subarray(0, length),
  };
  return writer;
}

/** Reads what the shim writes, in the same encoding. Throws a RangeError where the bytes end too soon. */
export interface ByteReader {
  byte(): number;
  u32(): number;
  i32(): number;
  u64(): number;
  string(): string;
  readonly left: number;
}

export function byteReader(buffer: Buffer): ByteReader {
  let at = 0;
  const take = (bytes: number): number => {
    at += bytes;
    return at - bytes;
  };
  return {
    get left() {
      return buffer.length - at;
    },
    byte: () => buffer.readUInt8(take(1)),
    u32: () => buffer.readUInt32LE(take(4)),
    i32: () => buffer.readInt32LE(take(4)),
    u64: () => Number(buffer.readBigUInt64LE(take(8))),
    string() {
      const length = buffer.readUInt32LE(take(4));
      const start = take(length + 1);
      return buffer.toString("utf8", start, start + length);
    },
  };
}
