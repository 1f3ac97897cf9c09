/** The ranges that networks without a subnet of their own get, in Docker's order (moby libnetwork/ipamutils). */
import { GantryError } from "#base/errors.ts";
import type { Random } from "#base/random.ts";
import { overlaps, parsePrefix, type Prefix } from "./prefix.ts";

const DEFAULT_POOLS: readonly Prefix[] = [
  ...Array.from({ length: 15 }, (_, index) => parsePrefix(`172.${17 + index}.0.0/16`)),
  ...Array.from({ length: 16 }, (_, index) => parsePrefix(`192.168.${index * 16}.0/20`)),
];

/** The first default pool that overlaps nothing in `taken`. Throws `unavailable` in Docker's words. */
export function chooseDefaultPool(taken: readonly Prefix[]): Prefix {
  const free = DEFAULT_POOLS.find((pool) => !taken.some((other) => overlaps(pool, other)));
  if (!free) throw new GantryError("unavailable", "all predefined address pools have been fully subnetted");
  return free;
}

/** A unique local /64 (RFC 4193) from 56 random bits. */
export function chooseIpv6Pool(random: Random): Prefix {
  const bytes = Buffer.alloc(16);
  bytes[0] = 0xfd;
  bytes.set(random.bytes(7), 1);
  return { family: 6, base: BigInt(`0x${bytes.toString("hex")}`), length: 64 };
}
