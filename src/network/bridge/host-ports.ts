/** The host's ports that published ports take: chosen, and held by a socket so that nobody else listens there. */
import { readFileSync } from "node:fs";
import { GantryError, isGantryError } from "#base/errors.ts";
import { holdPort } from "#linux/inet-sockets.ts";
import { close, errnoText, isSyscallError } from "#linux/syscalls.ts";
import type { PortMapping } from "../networks.ts";
import { openPortProxy, type PortProxy } from "./port-proxy.ts";

export interface HostPorts {
  /** Takes a host port for each wish, or none at all. Throws `conflict` in Docker's words. */
  take(wishes: readonly PortWish[]): readonly PortMapping[];
  release(mappings: readonly PortMapping[]): void;
  /** Takes a port that leads to `address` again, chosen before a restart; true when nobody else took it meanwhile. */
  retake(mapping: PortMapping, address: string): boolean;
  releaseAll(): void;
}

/** A container's port, to be published at one and the same host port of every end. */
export interface PortWish {
  readonly port: PortMapping;
  /** Addresses of the host, each with the container's address that it leads to. */
  readonly ends: readonly { readonly hostAddress: string; readonly address: string }[];
}

interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** The ports that an outgoing connection would get; Docker falls back to the range of RFC 6335. */
function ephemeralRange(): PortRange {
  const [first, last] = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").trim().split(/\s+/).map(Number);
  return first !== undefined && last !== undefined && first > 0 && first < last
    ? { first, last }
    : { first: 49_153, last: 65_535 };
}

export function hostPorts(): HostPorts {
  const holder = portHolder();
  /** Where the search in the ephemeral range goes on, so that a port just released is not taken again at once. */
  let next = 0;
  const takeAny = (wish: PortWish): readonly PortMapping[] => {
    const range = ephemeralRange();
    if (next < range.first || next > range.last) next = range.first;
    const chosen = takeFirst(holder, wish, around(range, next));
    if (!chosen) throw new GantryError("conflict", "all ports are allocated");
    next = (chosen[0]?.hostPort ?? range.last) + 1;
    return chosen;
  };
  const takeOne = (wish: PortWish): readonly PortMapping[] => {
    const { hostPort, hostPortEnd } = wish.port;
    if (hostPort === 0) return takeAny(wish);
    if (hostPortEnd === undefined || hostPortEnd <= hostPort) return holdAll(holder, wish, hostPort);
    const chosen = takeFirst(holder, wish, around({ first: hostPort, last: hostPortEnd }, hostPort));
    if (!chosen) throw new GantryError("conflict", `Bind for ${rangeText(wish)} failed: all ports are allocated`);
    return chosen;
  };
  return {
    take(wishes) {
      const taken: PortMapping[] = [];
      try {
        for (const wish of wishes) taken.push(...takeOne(wish));
        return taken;
      } catch (error) {
        taken.forEach(holder.release);
        throw error;
      }
    },
    release: (mappings) => mappings.forEach(holder.release),
    retake(mapping, address) {
      if (holder.has(mapping)) return true;
      try {
        holder.hold(mapping, address);
        return true;
      } catch (error) {
        if (!isSyscallError(error)) throw error;
        // Taken or not, the rules go on translating it to the container.
        holder.claim(mapping);
        return false;
      }
    },
    releaseAll: () => holder.releaseAll(),
  };
}

/** The sockets that hold ports. */
interface PortHolder {
  has(mapping: PortMapping): boolean;
  hold(mapping: PortMapping, address: string): void;
  /** Ours, though no socket could be had. */
  claim(mapping: PortMapping): void;
  release(this: void, mapping: PortMapping): void;
  releaseAll(): void;
}

function portHolder(): PortHolder {
  const held = new Map<string, PortProxy | undefined>();
  return {
    has: (mapping) => held.has(key(mapping)),
    hold: (mapping, address) => void held.set(key(mapping), holdOrPass(mapping, address)),
    claim: (mapping) => void held.set(key(mapping), undefined),
    release(mapping) {
      held.get(key(mapping))?.close();
      held.delete(key(mapping));
    },
    releaseAll() {
      for (const each of held.values()) each?.close();
      held.clear();
    },
  };
}

/** A socket that holds the port; where no rule can lead to the container, one that passes connections on. */
function holdOrPass(mapping: PortMapping, address: string): PortProxy | undefined {
  const { protocol, hostAddress, hostPort, containerPort } = mapping;
  if (isCrossing(hostAddress, address) && protocol !== "sctp")
    return openPortProxy({ protocol, hostAddress, hostPort, address, containerPort });
  const fd = holdPort({ protocol, address: hostAddress, port: hostPort });
  return fd === undefined ? undefined : { close: () => close(fd) };
}

/** From the host's IPv6 to a container's IPv4. */
export function isCrossing(hostAddress: string, address: string): boolean {
  return hostAddress.includes(":") && !address.includes(":");
}

function takeFirst(
  holder: PortHolder,
  wish: PortWish,
  candidates: Iterable<number>,
): readonly PortMapping[] | undefined {
  for (const hostPort of candidates) {
    try {
      return holdAll(holder, wish, hostPort);
    } catch (error) {
      if (!isGantryError(error, "conflict")) throw error;
    }
  }
  return undefined;
}

/** The port at every end, or none. */
function holdAll(holder: PortHolder, { port, ends }: PortWish, hostPort: number): readonly PortMapping[] {
  const { protocol, containerPort } = port;
  const taken: PortMapping[] = [];
  try {
    for (const { hostAddress, address } of ends) {
      const mapping = { protocol, containerPort, hostAddress, hostPort };
      if (holder.has(mapping)) {
        throw new GantryError(
          "conflict",
          `Bind for ${endText(hostAddress, hostPort)} failed: port is already allocated`,
        );
      }
      tryHold(holder, mapping, address);
      taken.push(mapping);
    }
    return taken;
  } catch (error) {
    taken.forEach(holder.release);
    throw error;
  }
}

function tryHold(holder: PortHolder, mapping: PortMapping, address: string): void {
  try {
    holder.hold(mapping, address);
  } catch (error) {
    if (!isSyscallError(error)) throw error;
    const { hostAddress, hostPort, containerPort, protocol } = mapping;
    const ends = `${endText(hostAddress, hostPort)}:${endText(address, containerPort)}/${protocol}`;
    const reason = error.code === "EADDRNOTAVAIL" ? "cannot assign requested address" : errnoText(error.errno);
    const text = `failed to bind host port for ${ends}: ${reason}`;
    throw new GantryError(error.code === "EADDRINUSE" ? "conflict" : "invalid", text, {}, error);
  }
}

function key({ protocol, hostAddress, hostPort }: PortMapping): string {
  return `${protocol}/${hostAddress}/${hostPort}`;
}

/** Every port of the range once, beginning at `start`. */
function* around({ first, last }: PortRange, start: number): Generator<number> {
  for (let port = start; port <= last; port++) yield port;
  for (let port = first; port < start; port++) yield port;
}

function endText(address: string, port: number | string): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

function rangeText({ port, ends }: PortWish): string {
  return endText(ends[0]?.hostAddress ?? "", `${port.hostPort}-${port.hostPortEnd ?? port.hostPort}`);
}
