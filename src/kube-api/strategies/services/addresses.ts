import { isIPv4 } from "node:net";
import { GantryError } from "#base/errors.ts";
import type { Random } from "#base/random.ts";
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

/** The addresses for services; the first one is the API server's own service. */
export function addressPool(cidr: string, random: Random): Pool {
  const { first, last } = usableRange(cidr);
  const size = last - first + 1;
  // The bands of KEP-3070: the lower 1/16, at least 16 and at most 256, is for addresses asked for by name.
  return pool(first, last, Math.min(Math.max(16, Math.floor(size / 16)), 256, size), random);
}

/** Node ports; the bands of KEP-3668. */
export function portPool(low: number, high: number, random: Random): Pool {
  const size = high - low + 1;
  return pool(low, high, Math.min(Math.max(16, Math.floor(size / 32)), 128, size), random);
}
