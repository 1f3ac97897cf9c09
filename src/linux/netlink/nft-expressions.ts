/** nf_tables expressions: one function per expression of the kernel, attributes as in nf_tables.h. Pure. */
import { be32, be64, nested, text, u8, type Attribute } from "./attributes.ts";
import * as c from "./nft-constants.ts";
import { valueData, verdictData, type Verdict } from "./nft-types.ts";

/** One encoded expression (an element of NFTA_RULE_EXPRESSIONS). */
export type Expression = Attribute;

function expression(name: string, attributes: readonly Attribute[]): Expression {
  return nested(c.NFTA_LIST_ELEM, [text(c.NFTA_EXPR_NAME, name), nested(c.NFTA_EXPR_DATA, attributes)]);
}

export const META_KEYS = {
  mark: 3,
  iifname: 6,
  oifname: 7,
  nfproto: 15,
  l4proto: 16,
  iifgroup: 21,
  oifgroup: 22,
} as const;
export const CT_KEYS = {
  state: 0,
  direction: 1,
  status: 2,
  protocol: 10,
  protoDst: 12,
  dst: 9,
  dstIp: 20,
  dstIp6: 22,
} as const;

export function meta(key: keyof typeof META_KEYS, register: number): Expression {
  return expression("meta", [be32(1, register), be32(2, META_KEYS[key])]);
}

/** `direction` original 0 or reply 1, for the keys that are of a direction. */
export function ct(key: keyof typeof CT_KEYS, register: number, direction?: 0 | 1): Expression {
  const attributes = [be32(1, register), be32(2, CT_KEYS[key])];
  if (direction !== undefined) attributes.push(u8(3, direction));
  return expression("ct", attributes);
}

export const PAYLOAD_NETWORK = 1;
export const PAYLOAD_TRANSPORT = 2;

export function payload(base: number, offset: number, length: number, register: number): Expression {
  return expression("payload", [be32(1, register), be32(2, base), be32(3, offset), be32(4, length)]);
}

const FIB_RESULT_ADDRTYPE = 3;
export const FIB_SADDR = 1;
export const FIB_DADDR = 2;

export function fibAddressType(flags: number, register: number): Expression {
  return expression("fib", [be32(1, register), be32(2, FIB_RESULT_ADDRTYPE), be32(3, flags)]);
}

export function cmp(register: number, operator: "==" | "!=", value: Uint8Array): Expression {
  return expression("cmp", [be32(1, register), be32(2, operator === "==" ? 0 : 1), valueData(3, value)]);
}

export function range(register: number, operator: "==" | "!=", from: Uint8Array, to: Uint8Array): Expression {
  return expression("range", [
    be32(1, register),
    be32(2, operator === "==" ? 0 : 1),
    valueData(3, from),
    valueData(4, to),
  ]);
}

/** register = (register & mask) ^ xor */
export function bitwise(register: number, mask: Uint8Array, xor: Uint8Array): Expression {
  return expression("bitwise", [
    be32(1, register),
    be32(2, register),
    be32(3, mask.length),
    valueData(4, mask),
    valueData(5, xor),
  ]);
}

/** Without `to`: does the set hold the key? With it: the map's value goes to that register. */
export function lookup(
  set: string,
  register: number,
  options: { readonly to?: number; readonly not?: boolean } = {},
): Expression {
  const attributes = [text(1, set), be32(2, register)];
  if (options.to !== undefined) attributes.push(be32(3, options.to));
  if (options.not) attributes.push(be32(5, 1));
  return expression("lookup", attributes);
}

export function immediate(register: number, value: Uint8Array): Expression {
  return expression("immediate", [be32(1, register), valueData(2, value)]);
}

export function verdict(value: Verdict): Expression {
  return expression("immediate", [be32(1, c.NFT_REG_VERDICT), verdictData(2, value)]);
}

export function numgenRandom(modulus: number, register: number): Expression {
  const RANDOM = 1;
  return expression("numgen", [be32(1, register), be32(2, modulus), be32(3, RANDOM), be32(4, 0)]);
}

const NFPROTO_IPV4 = 2;
const NFPROTO_IPV6 = 10;

export interface NatTarget {
  readonly kind: "snat" | "dnat";
  readonly family: "ip" | "ip6";
  readonly addressRegister?: number;
  readonly portRegister?: number;
}

export function nat(target: NatTarget): Expression {
  const attributes = [
    be32(1, target.kind === "snat" ? 0 : 1),
    be32(2, target.family === "ip" ? NFPROTO_IPV4 : NFPROTO_IPV6),
  ];
  if (target.addressRegister !== undefined) attributes.push(be32(3, target.addressRegister));
  if (target.portRegister !== undefined) attributes.push(be32(5, target.portRegister));
  return expression("nat", attributes);
}

export function masquerade(): Expression {
  return expression("masq", []);
}

export function redirect(portRegister: number): Expression {
  return expression("redir", [be32(1, portRegister)]);
}

/** ICMP's port unreachable (RFC 792, code 3; RFC 4443, code 4), or a TCP reset. */
export function reject(family: "ip" | "ip6", how: "port-unreachable" | "tcp-reset"): Expression {
  return how === "tcp-reset"
    ? expression("reject", [be32(1, 1)])
    : expression("reject", [be32(1, 0), u8(2, family === "ip" ? 3 : 4)]);
}

export function counter(): Expression {
  return expression("counter", [be64(1, 0n), be64(2, 0n)]);
}

/** At most `rate` packets a second. */
export function limit(rate: number, burst: number): Expression {
  return expression("limit", [be64(1, BigInt(rate)), be64(2, 1n), be32(3, burst), be32(4, 0), be32(5, 0)]);
}

/** Puts the key in `register` into a set, or makes its time begin anew. */
export function updateSet(set: string, register: number, timeoutMs: number): Expression {
  const UPDATE = 1;
  return expression("dynset", [text(1, set), be32(3, UPDATE), be32(4, register), be64(6, BigInt(timeoutMs))]);
}
