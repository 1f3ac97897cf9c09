/** The host's ports that published ports take: chosen, and held by a socket so that nobody else listens there. */
import { readFileSync } from "node:fs";
import { GantryError } from "#base/errors.ts";
import { holdPort } from "#linux/inet-sockets.ts";
import { close, errnoText, isSyscallError } from "#linux/syscalls.ts";
import type { PortMapping } from "../networks.ts";
import { isAny } from "./rule-model.ts";

export interface HostPorts {
  /** Takes a host port for each mapping, or none. Throws `conflict` in Docker's words; `address` is the container's. */
  take(mappings: readonly PortMapping[], addressOf: (mapping: PortMapping) => string): readonly PortMapping[];
  release(mappings: readonly PortMapping[]): void;
  /** Takes ports again that were chosen before a restart; true for each that nobody else took meanwhile. */
  retake(mapping: PortMapping): boolean;
  releaseAll(): void;
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
  const takeAny = (mapping: PortMapping): PortMapping => {
    const range = ephemeralRange();
    if (next < range.first || next > range.last) next = range.first;
    const chosen = takeFirst(holder, mapping, around(range, next));
    if (!chosen) throw new GantryError("conflict", "all ports are allocated");
    next = chosen.hostPort + 1;
    return chosen;
  };
  const takeOne = (mapping: PortMapping, address: string): PortMapping => {
    const { hostPort, hostPortEnd } = mapping;
    if (hostPort === 0) return takeAny(mapping);
    if (hostPortEnd === undefined || hostPortEnd <= hostPort) return takeFixed(holder, mapping, address);
    const chosen = takeFirst(holder, mapping, around({ first: hostPort, last: hostPortEnd }, hostPort));
    if (!chosen) throw new GantryError("conflict", `Bind for ${endText(mapping)} failed: all ports are allocated`);
    return chosen;
  };
  return {
    take(mappings, addressOf) {
      const taken: PortMapping[] = [];
      try {
        for (const mapping of mappings) taken.push(takeOne(mapping, addressOf(mapping)));
        return taken;
      } catch (error) {
        taken.forEach(holder.release);
        throw error;
      }
    },
    release: (mappings) => mappings.forEach(holder.release),
    retake(mapping) {
      if (holder.has(mapping)) return true;
      try {
        holder.hold(mapping);
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
  hold(mapping: PortMapping): void;
  /** Ours, though no socket could be had. */
  claim(mapping: PortMapping): void;
  release(this: void, mapping: PortMapping): void;
  releaseAll(): void;
}

function portHolder(): PortHolder {
  const held = new Map<string, number | undefined>();
  return {
    has: (mapping) => held.has(key(mapping)),
    hold(mapping) {
      const { protocol, hostAddress: address, hostPort: port } = mapping;
      held.set(key(mapping), holdPort({ protocol, address, port }));
    },
    claim: (mapping) => void held.set(key(mapping), undefined),
    release(mapping) {
      const fd = held.get(key(mapping));
      if (fd !== undefined) close(fd);
      held.delete(key(mapping));
    },
    releaseAll() {
      for (const fd of held.values()) if (fd !== undefined) close(fd);
      held.clear();
    },
  };
}

function takeFirst(holder: PortHolder, mapping: PortMapping, candidates: Iterable<number>): PortMapping | undefined {
  for (const hostPort of candidates) {
    const chosen = chosenMapping(mapping, hostPort);
    if (holder.has(chosen)) continue;
    try {
      holder.hold(chosen);
      return chosen;
    } catch (error) {
      if (!isSyscallError(error, "EADDRINUSE")) throw error;
    }
  }
  return undefined;
}

function takeFixed(holder: PortHolder, mapping: PortMapping, address: string): PortMapping {
  const chosen = chosenMapping(mapping, mapping.hostPort);
  if (holder.has(chosen)) {
    throw new GantryError("conflict", `Bind for ${endText(chosen)} failed: port is already allocated`);
  }
  try {
    holder.hold(chosen);
    return chosen;
  } catch (error) {
    throw bindError(error, chosen, address);
  }
}

function key({ protocol, hostAddress, hostPort }: PortMapping): string {
  return `${protocol}/${hostAddress}/${hostPort}`;
}

function chosenMapping({ protocol, containerPort, hostAddress }: PortMapping, hostPort: number): PortMapping {
  return { protocol, containerPort, hostAddress, hostPort };
}

/** Every port of the range once, beginning at `start`. */
function* around({ first, last }: PortRange, start: number): Generator<number> {
  for (let port = start; port <= last; port++) yield port;
  for (let port = first; port < start; port++) yield port;
}

function endText({ hostAddress, hostPort, hostPortEnd }: PortMapping): string {
  const port = hostPortEnd === undefined ? `${hostPort}` : `${hostPort}-${hostPortEnd}`;
  return hostAddress.includes(":") ? `[${hostAddress}]:${port}` : `${hostAddress}:${port}`;
}

function bindError(error: unknown, mapping: PortMapping, address: string): unknown {
  if (!isSyscallError(error)) return error;
  const { protocol, containerPort } = mapping;
  const inside = address.includes(":") ? `[${address}]` : address;
  const text = `failed to bind host port for ${endText(mapping)}:${inside}:${containerPort}/${protocol}: ${errnoText(error.errno)}`;
  return new GantryError(
    error.code === "EADDRINUSE" || isAny(mapping.hostAddress) ? "conflict" : "invalid",
    text,
    {},
    error,
  );
}
