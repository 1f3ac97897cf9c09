import { networkInterfaces } from "node:os";
import { GantryError } from "#base/errors.ts";
import { ipv6Number, ipv6Text } from "#formats/ipv6.ts";

/**
 * The address under which the cluster knows this machine: the first of the family of `fallback` that belongs to a link that is not
 * ours and not loopback.
 */
export function nodeAddress(fallback: string): string {
  const wanted = fallback.includes(":") ? "IPv6" : "IPv4";
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    if (/^(br-|gantry|g\d-|docker|veth)/.test(name)) continue;
    const found = addresses?.find(
      ({ address, family, internal }) => family === wanted && !internal && !/^fe[89ab]/i.test(address),
    );
    if (found) return found.address;
  }
  return fallback;
}

/** Pure: the address that lies `offset` above the start of a CIDR range of either family: `10.96.0.0/16`, 10 → `10.96.0.10`. */
export function addressIn(cidr: string, offset: number | bigint): string {
  const [base, bits] = cidr.split("/");
  const number = ipv6Number(base ?? "");
  if (number === undefined) return ipv4In(cidr, Number(offset));
  const hostBits = BigInt(128 - Number(bits));
  return ipv6Text(((number >> hostBits) << hostBits) + BigInt(offset));
}

function ipv4In(cidr: string, offset: number): string {
  const [base, bits] = cidr.split("/");
  const parts = (base ?? "").split(".").map(Number);
  if (
    parts.length !== 4 ||
    parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255) ||
    !/^\d+$/.test(bits ?? "")
  ) {
    throw new GantryError("invalid", `"${cidr}" is not an IPv4 range such as 10.96.0.0/16`);
  }
  const mask = Number(bits) === 0 ? 0 : (2 ** 32 - 2 ** (32 - Number(bits))) >>> 0;
  const start = (parts.reduce((value, part) => value * 256 + part, 0) & mask) >>> 0;
  const value = start + offset;
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join(".");
}

/** Pure: `30000-32767`. Throws `invalid`. */
export function portRange(text: string): { low: number; high: number } {
  const match = /^(\d+)-(\d+)$/.exec(text);
  const [low, high] = [Number(match?.[1]), Number(match?.[2])];
  if (!match || low < 1 || high > 65535 || low > high)
    throw new GantryError("invalid", `"${text}" is not a range of ports such as 30000-32767`);
  return { low, high };
}
