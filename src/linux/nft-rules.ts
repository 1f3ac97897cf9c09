/**
 * Rules of nf_tables that read like nft's own: a rule is a list of statements.
 *
 *     [is(oifname, "br0"), isIn([ip.saddr], "pods"), masquerade()]
 *
 * Pure: `nftables.ts` sends them.
 */
import { GantryError } from "#base/errors.ts";
import { addressBytes } from "./netlink/addresses.ts";
import { align, be16Bytes } from "./netlink/attributes.ts";
import { NFT_REG32_00 as R, NFT_REG_VERDICT } from "./netlink/nft-constants.ts";
import * as x from "./netlink/nft-expressions.ts";
import { encodeValue, PROTOCOLS, typeBytes, type DataType, type Value } from "./netlink/nft-types.ts";

export type { DataType, Value, Verdict } from "./netlink/nft-types.ts";

/** A condition or an action: one or more expressions of the kernel. */
export type Statement = readonly x.Expression[];

/** Something of a packet that can be loaded and compared. */
export interface Field {
  readonly type: DataType;
  load(register: number): x.Expression;
}

function field(type: DataType, load: (register: number) => x.Expression): Field {
  return { type, load };
}

export const iifname = field("ifname", (register) => x.meta("iifname", register));
export const oifname = field("ifname", (register) => x.meta("oifname", register));
export const iifgroup = field("mark", (register) => x.meta("iifgroup", register));
export const oifgroup = field("mark", (register) => x.meta("oifgroup", register));
export const mark = field("mark", (register) => x.meta("mark", register));
export const l4proto = field("inet_proto", (register) => x.meta("l4proto", register));
export const ctState = field("mark", (register) => x.ct("state", register));
export const ctStatus = field("mark", (register) => x.ct("status", register));
/** The destination port before any translation. */
export const ctOriginalDport = field("inet_service", (register) => x.ct("protoDst", register, 0));
export const sport = field("inet_service", (register) => x.payload(x.PAYLOAD_TRANSPORT, 0, 2, register));
export const dport = field("inet_service", (register) => x.payload(x.PAYLOAD_TRANSPORT, 2, 2, register));
/** What the destination is to this host: see LOCAL. */
export const fibDaddrType = field("mark", (register) => x.fibAddressType(x.FIB_DADDR, register));
export const fibSaddrType = field("mark", (register) => x.fibAddressType(x.FIB_SADDR, register));

/** The address fields of one family. */
export interface AddressFields {
  readonly family: "ip" | "ip6";
  readonly saddr: Field;
  readonly daddr: Field;
  /** The destination before any translation. */
  readonly ctOriginalDaddr: Field;
}

export const ip: AddressFields = {
  family: "ip",
  saddr: field("ipv4_addr", (register) => x.payload(x.PAYLOAD_NETWORK, 12, 4, register)),
  daddr: field("ipv4_addr", (register) => x.payload(x.PAYLOAD_NETWORK, 16, 4, register)),
  ctOriginalDaddr: field("ipv4_addr", (register) => x.ct("dstIp", register, 0)),
};

export const ip6: AddressFields = {
  family: "ip6",
  saddr: field("ipv6_addr", (register) => x.payload(x.PAYLOAD_NETWORK, 8, 16, register)),
  daddr: field("ipv6_addr", (register) => x.payload(x.PAYLOAD_NETWORK, 24, 16, register)),
  ctOriginalDaddr: field("ipv6_addr", (register) => x.ct("dstIp6", register, 0)),
};

/** RTN_LOCAL: an address of this host. */
export const LOCAL = 2;
/** Bits of ctState. */
export const CT_INVALID = 1;
export const CT_ESTABLISHED = 2;
export const CT_RELATED = 4;
export const CT_NEW = 8;
/** Bits of ctStatus. */
export const CT_SNAT = 0x10;
export const CT_DNAT = 0x20;

// ---- conditions

export function is(what: Field, value: Value): Statement {
  return [what.load(R), x.cmp(R, "==", encodeValue(what.type, value))];
}

export function isNot(what: Field, value: Value): Statement {
  return [what.load(R), x.cmp(R, "!=", encodeValue(what.type, value))];
}

/** The link's name begins with `prefix`. */
export function nameBegins(what: Field, prefix: string): Statement {
  return [what.load(R), x.cmp(R, "==", Buffer.from(prefix))];
}

/** One of `bits` is set in a `mark` field. */
export function hasAny(what: Field, bits: number): Statement {
  const zero = encodeValue("mark", 0);
  return [what.load(R), x.bitwise(R, encodeValue("mark", bits), zero), x.cmp(R, "!=", zero)];
}

/** None of `bits` is set. */
export function hasNone(what: Field, bits: number): Statement {
  const zero = encodeValue("mark", 0);
  return [what.load(R), x.bitwise(R, encodeValue("mark", bits), zero), x.cmp(R, "==", zero)];
}

/** The address lies in `prefix` (10.0.0.0/8). */
export function inPrefix(what: Field, prefix: string): Statement {
  return prefixMatch(what, prefix, "==");
}

export function notInPrefix(what: Field, prefix: string): Statement {
  return prefixMatch(what, prefix, "!=");
}

function prefixMatch(what: Field, prefix: string, operator: "==" | "!="): Statement {
  const [address = "", length = ""] = prefix.split("/");
  const bytes = addressBytes(address);
  const mask = prefixMask(bytes.length, length === "" ? bytes.length * 8 : Number(length));
  const masked = bytes.map((byte, index) => byte & (mask[index] ?? 0));
  return [what.load(R), x.bitwise(R, mask, Buffer.alloc(mask.length)), x.cmp(R, operator, masked)];
}

function prefixMask(bytes: number, length: number): Buffer {
  return Buffer.from(
    Array.from({ length: bytes }, (_, index) => (0xff00 >> Math.min(8, Math.max(0, length - index * 8))) & 0xff),
  );
}

/** The port lies between `from` and `to`, both included. */
export function inPorts(what: Field, from: number, to: number): Statement {
  return [what.load(R), x.range(R, "==", be16Bytes(from), be16Bytes(to))];
}

/** The concatenation of `fields` is in the named set. */
export function isIn(fields: readonly Field[], set: string): Statement {
  return [...loadAll(fields), x.lookup(set, R)];
}

export function isNotIn(fields: readonly Field[], set: string): Statement {
  return [...loadAll(fields), x.lookup(set, R, { not: true })];
}

/** Loads fields side by side, as a concatenated key lies in a set. */
function loadAll(fields: readonly Field[]): x.Expression[] {
  let register = R;
  return fields.map((part) => {
    const loaded = part.load(register);
    register += align(typeBytes([part.type])) / 4;
    return loaded;
  });
}

// ---- actions

export function accept(): Statement {
  return [x.verdict({ verdict: "accept" })];
}

export function drop(): Statement {
  return [x.verdict({ verdict: "drop" })];
}

export function leave(): Statement {
  return [x.verdict({ verdict: "return" })];
}

export function jump(chain: string): Statement {
  return [x.verdict({ verdict: "jump", chain })];
}

export function goto(chain: string): Statement {
  return [x.verdict({ verdict: "goto", chain })];
}

/** Does what the verdict map says for the fields; goes on when it says nothing. */
export function vmap(fields: readonly Field[], map: string): Statement {
  return [...loadAll(fields), x.lookup(map, R, { to: NFT_REG_VERDICT })];
}

/** One of the verdicts 0 .. count-1 of a map with `mark` keys, each as likely as the others. */
export function randomVmap(count: number, map: string): Statement {
  return [x.numgenRandom(count, R), x.lookup(map, R, { to: NFT_REG_VERDICT })];
}

/** To a fixed address, and port when given. */
export function dnat(family: "ip" | "ip6", address: string, port?: number): Statement {
  const bytes = addressBytes(address);
  const portRegister = R + bytes.length / 4;
  if (port === undefined) return [x.immediate(R, bytes), x.nat({ kind: "dnat", family, addressRegister: R })];
  return [
    x.immediate(R, bytes),
    x.immediate(portRegister, be16Bytes(port)),
    x.nat({ kind: "dnat", family, addressRegister: R, portRegister }),
  ];
}

/** To the address and port that a map (fields : address . port) says; goes on when it says nothing. */
export function dnatByMap(family: "ip" | "ip6", fields: readonly Field[], map: string): Statement {
  return [...loadAll(fields), x.lookup(map, R, { to: R }), natToLoaded(family)];
}

/** To one of the `count` values that a map (fields . mark : address . port) has for the fields; goes on when it has none. */
export function dnatByMapRandomly(
  family: "ip" | "ip6",
  fields: readonly Field[],
  count: number,
  map: string,
): Statement {
  const registers = fields.reduce((sum, { type }) => sum + align(typeBytes([type])) / 4, 0);
  return [...loadAll(fields), x.numgenRandom(count, R + registers), x.lookup(map, R, { to: R }), natToLoaded(family)];
}

/** To one of `count` values of a map (mark . mark : address . port), whose first key is `pool`. */
export function dnatFromPool(family: "ip" | "ip6", pool: number, count: number, members: string): Statement {
  return [
    x.immediate(R, encodeValue("mark", pool)),
    x.numgenRandom(count, R + 1),
    x.lookup(members, R, { to: R }),
    natToLoaded(family),
  ];
}

function natToLoaded(family: "ip" | "ip6"): x.Expression {
  return x.nat({ kind: "dnat", family, addressRegister: R, portRegister: R + (family === "ip" ? 1 : 4) });
}

export function snat(family: "ip" | "ip6", address: string): Statement {
  return [x.immediate(R, addressBytes(address)), x.nat({ kind: "snat", family, addressRegister: R })];
}

/** The source becomes the outgoing link's own address. */
export function masquerade(): Statement {
  return [x.masquerade()];
}

/** The destination becomes this host, at `port`. */
export function redirect(port: number): Statement {
  return [x.immediate(R, be16Bytes(port)), x.redirect(R)];
}

export function reject(family: "ip" | "ip6", how: "port-unreachable" | "tcp-reset" = "port-unreachable"): Statement {
  return [x.reject(family, how)];
}

export function counter(): Statement {
  return [x.counter()];
}

export function limit(packetsPerSecond: number, burst: number): Statement {
  return [x.limit(packetsPerSecond, burst)];
}

/** Remembers the fields in a set with a time of its own for each. */
export function remember(fields: readonly Field[], set: string, timeoutMs: number): Statement {
  return [...loadAll(fields), x.updateSet(set, R, timeoutMs)];
}

/** The number of a protocol that has ports. Throws `unsupported`. */
export function protocolNumber(protocol: string): number {
  const number = PROTOCOLS[protocol];
  if (number === undefined) throw new GantryError("unsupported", `protocol "${protocol}"`);
  return number;
}
