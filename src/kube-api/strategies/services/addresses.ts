import { isIPv4 } from "node:net";
import { GantryError } from "#base/errors.ts";
import type { Random } from "#base/random.ts";
import { ipv6Number, ipv6Text } from "#formats/ipv6.ts";
import { pool, type Pool } from "./pool.ts";

/** An IPv4 address as a number; undefined for anything else. */
export function ipv4Number(text: string): number | undefined {
  return isIPv4(text) ? text.split(".").reduce((number, part) => number * 256 + Number(part), 0) : undefined;
}

export function ipv4Text(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join(".");
}

/** The first and the last address of `10.96.0.0/16`, network and broadcast addresses left out. */
export function usableRange(cidr: string): { first: number; last: number } {
  const [address = "", length = ""] = cidr.split("/");
  const base = ipv4Number(address);
  const bits = Number(length);
  if (base === undefined || !Number.isInteger(bits) || bits < 8 || bits > 30) {
    throw new GantryError("invalid", `service range ${JSON.stringify(cidr)} is no IPv4 range between /8 and /30`);
  }
  const size = 2 ** (32 - bits);
  const start = Math.floor(base / size) * size;
  return { first: start + 1, last: start + size - 2 };
}

/** Addresses that are given out at most once. */
export interface AddressPool {
  readonly family: IpFamily;
  /** The first and the last address of the range, as messages name them. */
  readonly range: readonly [string, string];
  /** False when someone has it, or it is outside the range. */
  take(address: string): boolean;
  takeAny(): string | undefined;
  release(address: string): void;
  has(address: string): boolean;
  covers(address: string): boolean;
}

export type IpFamily = "IPv4" | "IPv6";

export function familyOf(address: string): IpFamily {
  return address.includes(":") ? "IPv6" : "IPv4";
}

/** The addresses for services; the first one is the API server's own service. */
export function addressPool(cidr: string, random: Random): AddressPool {
  return cidr.includes(":") ? ipv6Pool(cidr, random) : ipv4Pool(cidr, random);
}

/** The bands of KEP-3070: the lower 1/16, at least 16 and at most 256, is for addresses asked for by name. */
function reservedOf(size: number): number {
  return Math.min(Math.max(16, Math.floor(size / 16)), 256, size);
}

function ipv4Pool(cidr: string, random: Random): AddressPool {
  const { first, last } = usableRange(cidr);
  const numbers = pool(first, last, reservedOf(last - first + 1), random);
  const textOf = (value: number | undefined): string | undefined => (value === undefined ? undefined : ipv4Text(value));
  return {
    family: "IPv4",
    range: [ipv4Text(first - 1), ipv4Text(last + 1)],
    take: (address) => numbers.take(ipv4Number(address) ?? -1),
    takeAny: () => textOf(numbers.takeAny()),
    release: (address) => numbers.release(ipv4Number(address) ?? -1),
    has: (address) => numbers.has(ipv4Number(address) ?? -1),
    covers: (address) => numbers.covers(ipv4Number(address) ?? -1),
  };
}

/** Of a longer range than this, as kube-apiserver (it gives out 2^64 addresses, of which nobody uses so many). */
const MOST_IPV6_BITS = 20;

function ipv6Pool(cidr: string, random: Random): AddressPool {
  const [text = "", length = ""] = cidr.split("/");
  const number = ipv6Number(text);
  const bits = Number(length);
  if (number === undefined || !Number.isInteger(bits) || bits < 64 || bits > 126)
    throw new GantryError("invalid", `service range ${JSON.stringify(cidr)} is no IPv6 range between /64 and /126`);
  const hostBits = BigInt(128 - bits);
  const base = (number >> hostBits) << hostBits;
  const size = 2 ** Math.min(128 - bits, MOST_IPV6_BITS);
  const offsets = pool(1, size - 1, reservedOf(size - 1), random);
  const offsetOf = (address: string): number => {
    const value = ipv6Number(address);
    const offset = value === undefined ? -1n : value - base;
    return offset > 0n && offset < BigInt(size) ? Number(offset) : -1;
  };
  return {
    family: "IPv6",
    range: [ipv6Text(base), ipv6Text(base + BigInt(size - 1))],
    take: (address) => offsets.take(offsetOf(address)),
    takeAny() {
      const offset = offsets.takeAny();
      return offset === undefined ? undefined : ipv6Text(base + BigInt(offset));
    },
    release: (address) => offsets.release(offsetOf(address)),
    has: (address) => offsets.has(offsetOf(address)),
    covers: (address) => offsets.covers(offsetOf(address)),
  };
}

/** Node ports; the bands of KEP-3668. */
export function portPool(low: number, high: number, random: Random): Pool {
  const size = high - low + 1;
  return pool(low, high, Math.min(Math.max(16, Math.floor(size / 32)), 128, size), random);
}
