/** Data types of set keys and map values: how their text becomes bytes, and nft's number for them. Pure. */
import { GantryError } from "#base/errors.ts";
import { addressBytes } from "./addresses.ts";
import { align, attribute, be32, nested, text, type Attribute } from "./attributes.ts";
import * as c from "./nft-constants.ts";

/** nft's own names. `mark` is any 32-bit number in host order. */
export type DataType = "ipv4_addr" | "ipv6_addr" | "inet_proto" | "inet_service" | "ifname" | "mark";

/** nft's numbers (src/datatype.h): what the kernel keeps so that `nft list` can name the type. */
const TYPES: Readonly<Record<DataType, { readonly number: number; readonly bytes: number }>> = {
  ipv4_addr: { number: 7, bytes: 4 },
  ipv6_addr: { number: 8, bytes: 16 },
  inet_proto: { number: 12, bytes: 1 },
  inet_service: { number: 13, bytes: 2 },
  mark: { number: 19, bytes: 4 },
  ifname: { number: 41, bytes: 16 },
};

/** In a concatenation nft numbers a type by six bits per part. */
const CONCATENATION_BITS = 6;

export const PROTOCOLS: Readonly<Record<string, number>> = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58, sctp: 132 };

export type Value = string | number;

export function typeNumber(types: readonly DataType[]): number {
  return types.reduce((number, type) => (number << CONCATENATION_BITS) | TYPES[type].number, 0);
}

/** A part of a concatenation fills whole registers of four bytes; a type alone has its own size. */
export function typeBytes(types: readonly DataType[]): number {
  const [only] = types;
  if (only !== undefined && types.length === 1) return TYPES[only].bytes;
  return types.reduce((sum, type) => sum + align(TYPES[type].bytes), 0);
}

/** Encodes the values of a concatenation of `types`. Throws `invalid` for a value that is none of its type. */
export function encodeValues(types: readonly DataType[], values: readonly Value[]): Buffer {
  if (types.length !== values.length) {
    throw new GantryError("internal", `nftables: ${values.length} values for ${types.join(" . ")}`);
  }
  const parts = types.map((type, index) => encodeValue(type, values[index] ?? ""));
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only;
  return Buffer.concat(parts.map((part) => Buffer.concat([part, Buffer.alloc(align(part.length) - part.length)])));
}

/** Writes the values of a concatenation in place: each part fills whole registers. */
export function writeValues(bytes: Buffer, at: number, types: readonly DataType[], values: readonly Value[]): void {
  if (types.length !== values.length)
    throw new GantryError("internal", `nftables: ${values.length} values for ${types.join(" . ")}`);
  let place = at;
  types.forEach((type, index) => {
    const value = values[index] ?? "";
    if (type === "ipv4_addr") writeIpv4(bytes, place, String(value));
    else if (type === "mark") bytes.writeUInt32LE(Number(value) >>> 0, place);
    else if (type === "inet_service") bytes.writeUInt16BE(Number(value), place);
    else encodeValue(type, value).copy(bytes, place);
    place += align(TYPES[type].bytes);
  });
}

/** Throws `invalid`. */
function writeIpv4(bytes: Buffer, at: number, text: string): void {
  let [part, place] = [0, at];
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === DOT && place < at + 3) {
      bytes[place++] = part;
      part = 0;
    } else if (code >= ZERO && code <= NINE) part = part * 10 + code - ZERO;
    else part = Infinity;
    if (part > 255) break;
  }
  if (place !== at + 3 || part > 255) throw new GantryError("invalid", `"${text}" is no IPv4 address`);
  bytes[place] = part;
}

const [DOT, ZERO, NINE] = [46, 48, 57];

export function encodeValue(type: DataType, value: Value): Buffer {
  const bytes = Buffer.alloc(TYPES[type].bytes);
  switch (type) {
    case "ipv4_addr":
    case "ipv6_addr":
      bytes.set(addressBytes(String(value)).subarray(0, bytes.length));
      return bytes;
    case "inet_proto":
      bytes.writeUInt8(protocolNumber(value));
      return bytes;
    case "inet_service":
      bytes.writeUInt16BE(Number(value));
      return bytes;
    case "mark":
      bytes.writeUInt32LE(Number(value) >>> 0);
      return bytes;
    case "ifname":
      bytes.write(String(value).slice(0, bytes.length - 1));
      return bytes;
  }
}

function protocolNumber(value: Value): number {
  const number = typeof value === "number" ? value : PROTOCOLS[value];
  if (number === undefined) throw new GantryError("invalid", `nftables: unknown protocol "${value}"`);
  return number;
}

/** What a rule or a map's element decides. */
export type Verdict =
  | { readonly verdict: "accept" | "drop" | "return" | "continue" }
  | { readonly verdict: "jump" | "goto"; readonly chain: string };

const VERDICT_CODES = { accept: 1, drop: 0, continue: -1, jump: -3, goto: -4, return: -5 } as const;

export function verdictData(type: number, verdict: Verdict): Attribute {
  const parts = [be32(c.NFTA_VERDICT_CODE, VERDICT_CODES[verdict.verdict])];
  if ("chain" in verdict) parts.push(text(c.NFTA_VERDICT_CHAIN, verdict.chain));
  return nested(type, [nested(c.NFTA_DATA_VERDICT, parts)]);
}

export function valueData(type: number, value: Uint8Array): Attribute {
  return nested(type, [attribute(c.NFTA_DATA_VALUE, value)]);
}
