/** Addresses as bytes: IPv4, IPv6 and link addresses, parsed strictly and written as RFC 5952 says. Pure. */
import { isIPv4, isIPv6 } from "node:net";
import { GantryError } from "#base/errors.ts";

/** 4 or 16 bytes in network order. Throws `invalid`. */
export function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split(".").map(Number));
  if (isIPv6(address) && !address.includes("%")) return ipv6Bytes(address);
  throw new GantryError("invalid", `"${address}" is not an IP address`);
}

function ipv6Bytes(address: string): Buffer {
  const [head = "", tail] = address.split("::");
  const front = groups(head);
  const back = tail === undefined ? [] : groups(tail);
  const middle = tail === undefined ? [] : Array.from({ length: 8 - front.length - back.length }, () => 0);
  const bytes = Buffer.alloc(16);
  [...front, ...middle, ...back].forEach((group, index) => bytes.writeUInt16BE(group, index * 2));
  return bytes;
}

function groups(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((part) => {
    if (!part.includes(".")) return [Number.parseInt(part, 16)];
    const v4 = Buffer.from(part.split(".").map(Number));
    return [v4.readUInt16BE(0), v4.readUInt16BE(2)];
  });
}

/** The text of 4 or 16 bytes; the longest run of zero groups of an IPv6 address is `::`. */
export function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return Array.from(bytes).join(".");
  const all = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2));
  const run = longestZeroRun(all);
  const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(":");
  return run.length < 2 ? hex(all) : `${hex(all.slice(0, run.start))}::${hex(all.slice(run.start + run.length))}`;
}

function longestZeroRun(all: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  all.forEach((group, index) => {
    if (group !== 0) start = index + 1;
    else if (index + 1 - start > best.length) best = { start, length: index + 1 - start };
  });
  return best;
}

/** Six bytes of `02:42:ac:11:00:02`. Throws `invalid`. */
export function macBytes(mac: string): Buffer {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac)) throw new GantryError("invalid", `"${mac}" is not a MAC address`);
  return Buffer.from(mac.replaceAll(":", ""), "hex");
}

export function macText(bytes: Buffer): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(":");
}
