/** Addresses of one subnet: the lowest free one first, as Docker gives them out. */
import { GantryError } from "#base/errors.ts";
import { addressNumber, contains, lastAddress, numberText, type Prefix } from "./prefix.ts";

export interface AddressPool {
  readonly subnet: Prefix;
  readonly gateway: string;
  /** The lowest free address, or `wanted`. Throws `conflict` ("Address already in use"), `invalid`, `unavailable`. */
  take(wanted?: string): string;
  release(address: string): void;
}

export interface PoolOptions {
  readonly subnet: Prefix;
  readonly gateway: string;
  /** Addresses are given out from here only; fixed ones may come from the whole subnet. */
  readonly range?: Prefix;
  /** Addresses that are never given out. */
  readonly reserved: readonly string[];
}

export function addressPool(options: PoolOptions): AddressPool {
  const { subnet } = options;
  const range = options.range ?? subnet;
  const reserved = new Set(
    [options.gateway, ...options.reserved].filter((address) => address !== "").map(addressNumber),
  );
  reserveEnds(subnet, reserved);
  const taken = new Set<bigint>();
  const last = lastAddress(range);
  /** Below this one everything is taken. */
  let lowest = range.base;
  const takeLowest = (): bigint => {
    while (lowest <= last && (taken.has(lowest) || reserved.has(lowest))) lowest += 1n;
    if (lowest > last)
      throw new GantryError("unavailable", "no available IPv4 addresses on this network's address pools");
    return lowest;
  };
  const checkWanted = (wanted: string): bigint => {
    const address = addressNumber(wanted);
    if (!contains(subnet, address, wanted.includes(":") ? 6 : 4)) {
      throw new GantryError("invalid", `no configured subnet contains IP address ${wanted}`);
    }
    if (taken.has(address) || reserved.has(address)) throw new GantryError("conflict", "Address already in use");
    return address;
  };
  return {
    subnet,
    gateway: options.gateway,
    take(wanted) {
      const address = wanted === undefined ? takeLowest() : checkWanted(wanted);
      taken.add(address);
      return numberText(address, subnet.family);
    },
    release(text) {
      const address = addressNumber(text);
      if (taken.delete(address) && address < lowest && address >= range.base) lowest = address;
    },
  };
}

/** Network and broadcast address of IPv4, the subnet routers' anycast address of IPv6; not in point-to-point ranges. */
function reserveEnds(subnet: Prefix, reserved: Set<bigint>): void {
  if (subnet.length >= (subnet.family === 4 ? 31 : 127)) return;
  reserved.add(subnet.base);
  if (subnet.family === 4) reserved.add(lastAddress(subnet));
}

/** The subnet's first address, where Docker puts a gateway that nobody chose; within `range` when there is one. */
export function defaultGateway(subnet: Prefix, range: Prefix | undefined, reserved: readonly string[]): string {
  const pool = addressPool({ subnet, gateway: "", reserved, ...(range ? { range } : {}) });
  return pool.take();
}

/** 02:42 and the IPv4 address, as Docker makes them: the same container gets the same address on the link. */
export function macOf(ipv4: string): string {
  const bytes = ipv4.split(".").map((part) => Number(part).toString(16).padStart(2, "0"));
  return ["02", "42", ...bytes].join(":");
}
