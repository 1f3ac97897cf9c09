/** Address ranges in CIDR notation, as numbers. Pure. */
import { isIPv4, isIPv6 } from "node:net";
import { GantryError } from "#base/errors.ts";
import { addressBytes, addressText } from "#linux/rtnetlink.ts";

export interface Prefix {
  readonly family: 4 | 6;
  /** The lowest address. */
  readonly base: bigint;
  readonly length: number;
}

export function familyBits(family: 4 | 6): number {
  return family === 4 ? 32 : 128;
}

/** `172.17.0.0/16`; undefined for what is no CIDR block. Host bits are kept in `address`. */
export function parseCidr(text: string): { readonly address: bigint; readonly prefix: Prefix } | undefined {
  const [ip = "", digits = "", ...rest] = text.split("/");
  const family = isIPv4(ip) ? 4 : isIPv6(ip) ? 6 : undefined;
  if (family === undefined || rest.length > 0 || !/^\d{1,3}$/.test(digits)) return undefined;
  const length = Number(digits);
  if (length > familyBits(family)) return undefined;
  const address = addressNumber(ip);
  const hostBits = BigInt(familyBits(family) - length);
  return { address, prefix: { family, base: (address >> hostBits) << hostBits, length } };
}

/** A range given by Gantry's own configuration. Throws `invalid`. */
export function parsePrefix(text: string): Prefix {
  const cidr = parseCidr(text);
  if (!cidr) throw new GantryError("invalid", `invalid CIDR block "${text}"`);
  return cidr.prefix;
}

export function prefixText(prefix: Prefix): string {
  return `${numberText(prefix.base, prefix.family)}/${prefix.length}`;
}

export function addressNumber(address: string): bigint {
  return BigInt(`0x${addressBytes(address).toString("hex")}`);
}

export function numberText(address: bigint, family: 4 | 6): string {
  return addressText(Buffer.from(address.toString(16).padStart(familyBits(family) / 4, "0"), "hex"));
}

export function lastAddress(prefix: Prefix): bigint {
  return prefix.base + (1n << BigInt(familyBits(prefix.family) - prefix.length)) - 1n;
}

export function contains(prefix: Prefix, address: bigint, family: 4 | 6): boolean {
  return prefix.family === family && address >= prefix.base && address <= lastAddress(prefix);
}

export function overlaps(a: Prefix, b: Prefix): boolean {
  return a.family === b.family && a.base <= lastAddress(b) && b.base <= lastAddress(a);
}
