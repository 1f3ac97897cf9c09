import { isIP } from "node:net";
import { GantryError } from "#base/errors.ts";
import type { DockerPortBindings } from "./docker-config.ts";

export interface ContainerPort {
  readonly port: number;
  readonly protocol: "tcp" | "udp" | "sctp";
}

/** A published port: what to listen on, on the host. `hostPort` 0: any; `hostPortEnd`: any free one up to there. */
export interface PublishedPort {
  readonly containerPort: number;
  readonly protocol: "tcp" | "udp" | "sctp";
  readonly hostAddress: string;
  readonly hostPort: number;
  readonly hostPortEnd?: number;
}

/** The ports of a key such as `80/tcp`, `53` or `8000-8010/udp`. Throws `invalid` in Docker's words. */
export function parseContainerPorts(spec: string): ContainerPort[] {
  const [ports = "", protocol = "tcp", ...rest] = spec.split("/");
  if (rest.length > 0 || !isProtocol(protocol))
    throw new GantryError("invalid", `invalid port specification: ${JSON.stringify(spec)}`);
  const [first, last] = parseRange(ports, false);
  return Array.from({ length: last - first + 1 }, (_, index) => ({ port: first + index, protocol }));
}

export function portKey(port: ContainerPort): string {
  return `${port.port}/${port.protocol}`;
}

/**
 * What a container publishes: its port bindings and, with `publishAll`, every exposed port without one on any host port.
 * Throws `invalid` ("invalid port specification: ...").
 */
export function publishedPorts(
  bindings: DockerPortBindings,
  exposed: readonly string[],
  publishAll: boolean,
): PublishedPort[] {
  const published = Object.entries(bindings).flatMap(([key, hosts]) =>
    parseContainerPorts(key).flatMap((port) => (hosts.length === 0 ? [{}] : hosts).map((host) => publish(port, host))),
  );
  if (!publishAll) return published;
  const bound = new Set(published.map((each) => `${each.containerPort}/${each.protocol}`));
  const rest = exposed.flatMap(parseContainerPorts).filter((port) => !bound.has(portKey(port)));
  return [...published, ...rest.map((port) => publish(port, {}))];
}

function publish(port: ContainerPort, host: { HostIp?: string; HostPort?: string }): PublishedPort {
  const hostAddress = host.HostIp ?? "";
  if (hostAddress !== "" && isIP(hostAddress) === 0)
    throw new GantryError("invalid", `invalid IP address: ${hostAddress}`);
  const [first, last] = parseRange(host.HostPort ?? "", true);
  const range = last > first ? { hostPortEnd: last } : {};
  return { containerPort: port.port, protocol: port.protocol, hostAddress, hostPort: first, ...range };
}

/** `80` or `80-90`; with `empty`, "" and "0" are 0 (any). */
function parseRange(text: string, empty: boolean): [number, number] {
  if (empty && (text === "" || text === "0")) return [0, 0];
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  if (!match || first < 1 || last > 65535 || last < first) {
    throw new GantryError("invalid", `invalid port specification: ${JSON.stringify(text)}`);
  }
  return [first, last];
}

function isProtocol(text: string): text is ContainerPort["protocol"] {
  return text === "tcp" || text === "udp" || text === "sctp";
}
