/**
 * Netlink attributes (struct nlattr: length, type, value, padded to four bytes), as in the kernel's
 * Documentation/userspace-api/netlink/intro.rst. Integers are in host order, which is little-endian on every machine
 * Gantry runs on (x86-64, arm64), except where a name says `be`.
 */
import { GantryError } from "#base/errors.ts";

const HEADER_BYTES = 4;
const ALIGNMENT = 4;
/** The length field is 16 bits wide: a longer value would wrap around and smuggle attributes in (CVE-2021-43784). */
const MAX_VALUE_BYTES = 0xffff - HEADER_BYTES;
const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;

/** One encoded attribute, padding included. */
export type Attribute = Buffer;

/** An attribute with any value. Throws `too-large` over 65,531 bytes. */
export function attribute(type: number, value: Uint8Array): Attribute {
  if (value.length > MAX_VALUE_BYTES) {
    throw new GantryError(
      "too-large",
      `netlink attribute ${type}: ${value.length} bytes, at most ${MAX_VALUE_BYTES} fit`,
    );
  }
  // From Node's pool: a transaction has thousands of these.
  const bytes = Buffer.allocUnsafe(align(HEADER_BYTES + value.length)).fill(0, HEADER_BYTES + value.length);
  bytes.writeUInt16LE(HEADER_BYTES + value.length, 0);
  bytes.writeUInt16LE(type, 2);
  bytes.set(value, HEADER_BYTES);
  return bytes;
}

/** An attribute that holds attributes. */
export function nested(type: number, attributes: readonly Attribute[]): Attribute {
  return attribute(type | NLA_F_NESTED, Buffer.concat(attributes));
}

/** A string with its terminating zero. */
export function text(type: number, value: string): Attribute {
  return attribute(type, Buffer.from(`${value}\0`));
}

/** An attribute without a value: its presence is the statement. */
export function flag(type: number): Attribute {
  return attribute(type, Buffer.alloc(0));
}

export function u8(type: number, value: number): Attribute {
  return attribute(type, Buffer.of(value));
}

export function u16(type: number, value: number): Attribute {
  const bytes = Buffer.allocUnsafe(2);
  bytes.writeUInt16LE(value);
  return attribute(type, bytes);
}

export function u32(type: number, value: number): Attribute {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32LE(value >>> 0);
  return attribute(type, bytes);
}

/** 16 bits in network order. */
export function be16(type: number, value: number): Attribute {
  return attribute(type, be16Bytes(value));
}

/** 32 bits in network order. */
export function be32(type: number, value: number): Attribute {
  return attribute(type, be32Bytes(value));
}

/** 64 bits in network order. */
export function be64(type: number, value: bigint): Attribute {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64BE(value);
  return attribute(type, bytes);
}

export function be16Bytes(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function be32Bytes(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

export interface DecodedAttribute {
  /** Without the nested and byte-order bits. */
  readonly type: number;
  readonly value: Buffer;
}

/** The attributes in `bytes`, in order; what does not parse ends the list. */
export function decodeAttributes(bytes: Buffer): readonly DecodedAttribute[] {
  const found: DecodedAttribute[] = [];
  for (let at = 0; at + HEADER_BYTES <= bytes.length;) {
    const length = bytes.readUInt16LE(at);
    if (length < HEADER_BYTES || at + length > bytes.length) break;
    found.push({
      type: bytes.readUInt16LE(at + 2) & NLA_TYPE_MASK,
      value: bytes.subarray(at + HEADER_BYTES, at + length),
    });
    at += align(length);
  }
  return found;
}

/** The attributes in `bytes` by type; the last of a type counts. */
export function attributeMap(bytes: Buffer): ReadonlyMap<number, Buffer> {
  return new Map(decodeAttributes(bytes).map(({ type, value }) => [type, value]));
}

/** A string value up to its terminating zero; "" when there is none. */
export function decodeText(value: Buffer | undefined): string {
  if (value === undefined) return "";
  const end = value.indexOf(0);
  return value.toString("utf8", 0, end < 0 ? value.length : end);
}

export function align(length: number): number {
  return (length + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
}
