/** Attaching a namespace to a network, all or nothing, and detaching it. Synchronous throughout, so that nothing interleaves. */
import { existsSync, statSync } from "node:fs";
import { isIP } from "node:net";
import { GantryError, isGantryError, errorText } from "#base/errors.ts";
import { hexId } from "#base/ids.ts";
import { forgetFlows } from "#linux/conntrack.ts";
import { openNetns } from "#linux/netns.ts";
import { close, isSyscallError } from "#linux/syscalls.ts";
import { macOf } from "../addresses/address-pool.ts";
import { isCrossing, type PortWish } from "../bridge/host-ports.ts";
import { plug, type PlugAddress } from "../bridge/plug.ts";
import type { PublishedPort } from "../bridge/rule-model.ts";
import type { AttachRequest, Endpoint, PortMapping } from "../networks.ts";
import type { StoredEndpoint } from "../state/network-files.ts";
import { isRouted } from "./live-network.ts";
import { requireNetwork } from "./definitions.ts";
import { endpointsOf, type LiveBridge, type LiveNetwork, type Runtime } from "./runtime.ts";

/** Steps that are taken back in reverse when a later one fails. */
type Undo = (() => void)[];

export function attach(runtime: Runtime, request: AttachRequest): Endpoint {
  const live = requireNetwork(runtime, request.networkId);
  const { network } = live;
  const name = request.name ?? request.aliases[0] ?? request.owner.slice(0, 12);
  if (endpointsOf(runtime, { owner: request.owner, networkId: network.id }).length > 0) {
    throw new GantryError("forbidden", `endpoint with name ${name} already exists in network ${network.name}`);
  }
  const undo: Undo = [];
  try {
    return attachSteps(runtime, live, request, name, undo);
  } catch (error) {
    for (const step of undo.reverse()) bestEffort(runtime, "undo an attachment", step);
    throw error;
  }
}

function attachSteps(runtime: Runtime, live: LiveNetwork, request: AttachRequest, name: string, undo: Undo): Endpoint {
  const { network, bridge } = live;
  const id = hexId(runtime.random);
  const netns = openOwnerNetns(request);
  undo.push(() => close(netns));
  const identity = netnsIdentity(request.netnsPath ?? request.pid);
  const base = {
    id,
    owner: request.owner,
    networkId: network.id,
    interfaceName: request.interfaceName,
    aliases: request.aliases,
  };
  const own = {
    name,
    pid: request.pid,
    ...(request.netnsPath === undefined ? {} : { netnsPath: request.netnsPath }),
    netns: identity,
    defaultGateway: request.defaultGateway,
    dns: request.dns ?? [],
    ...(request.linkLocal && { linkLocal: request.linkLocal }),
    ...(request.sysctls && { sysctls: request.sysctls }),
  };
  if (!bridge) {
    const endpoint: StoredEndpoint = { ...base, ...own, ...NO_ADDRESSES, ports: [], hostLink: "" };
    keep(runtime, endpoint, undo);
    close(netns);
    return endpoint;
  }
  const addresses = takeAddresses(bridge, request, undo);
  const ports = network.internal ? [] : takePorts(runtime, bridge, request, addresses, { name, id }, undo);
  const endpoint: StoredEndpoint = { ...base, ...own, ...addresses, ports, hostLink: `veth${id.slice(0, 11)}` };
  // Written before anything is on the host, so that nothing on the host is ever unknown.
  keep(runtime, endpoint, undo);
  plugIn(runtime, live, bridge, endpoint, netns);
  undo.push(() => void runtime.rtnetlink.deleteLink(endpoint.hostLink));
  publish(runtime, endpoint, undo);
  runtime.names.join(endpoint, netns);
  close(netns);
  return endpoint;
}

const NO_ADDRESSES = {
  ipv4: "",
  prefixLength: 0,
  gateway: "",
  ipv6: "",
  ipv6PrefixLength: 0,
  ipv6Gateway: "",
  mac: "",
};

function keep(runtime: Runtime, endpoint: StoredEndpoint, undo: Undo): void {
  runtime.files.saveEndpoint(endpoint);
  undo.push(() => runtime.files.removeEndpoint(endpoint.id));
  runtime.endpoints.set(endpoint.id, endpoint);
  undo.push(() => void runtime.endpoints.delete(endpoint.id));
}

function openOwnerNetns({ pid, netnsPath, owner }: AttachRequest): number {
  try {
    return openNetns(netnsPath ?? pid);
  } catch (error) {
    if (!isSyscallError(error, "ENOENT", "ESRCH")) throw error;
    throw new GantryError(
      "conflict",
      `process ${pid} of ${owner.slice(0, 12)} has gone: its network cannot be set up`,
      {},
      error,
    );
  }
}

/** Device and inode of the network namespace of a process or at a path; "" when there is none. */
export function netnsIdentity(namespace: number | string): string {
  const path = typeof namespace === "number" ? `/proc/${namespace}/ns/net` : namespace;
  const found = statSync(path, { throwIfNoEntry: false });
  return found ? `${found.dev}:${found.ino}` : "";
}

type Addresses = Pick<
  Endpoint,
  "ipv4" | "prefixLength" | "gateway" | "ipv6" | "ipv6PrefixLength" | "ipv6Gateway" | "mac"
>;

function takeAddresses(bridge: LiveBridge, request: AttachRequest, undo: Undo): Addresses {
  checkFixedAddress(request.ipv4, 4);
  checkFixedAddress(request.ipv6, 6);
  const routed = isRouted(bridge.options);
  const ipv4 = bridge.ipv4.take(request.ipv4 || undefined);
  undo.push(() => bridge.ipv4.release(ipv4));
  const ipv6 = bridge.ipv6?.take(request.ipv6 || undefined) ?? "";
  if (!bridge.ipv6 && request.ipv6)
    throw new GantryError("invalid", `no configured subnet contains IP address ${request.ipv6}`);
  if (ipv6 !== "") undo.push(() => bridge.ipv6?.release(ipv6));
  return {
    ipv4,
    prefixLength: routed ? 32 : bridge.ipv4.subnet.length,
    gateway: bridge.ipv4.gateway,
    ipv6,
    ipv6PrefixLength: bridge.ipv6 ? (routed ? 128 : bridge.ipv6.subnet.length) : 0,
    ipv6Gateway: bridge.ipv6?.gateway ?? "",
    mac: request.mac || macOf(ipv4),
  };
}

function checkFixedAddress(address: string | undefined, family: 4 | 6): void {
  if (address && isIP(address) !== family) throw new GantryError("invalid", `invalid IPv${family} address: ${address}`);
}

function takePorts(
  runtime: Runtime,
  bridge: LiveBridge,
  request: AttachRequest,
  addresses: Addresses,
  endpoint: { readonly name: string; readonly id: string },
  undo: Undo,
): readonly PortMapping[] {
  // Pods are reached by the addresses that they have.
  const crosses = !isRouted(bridge.options) && hasIpv6();
  const wishes = request.ports.map((port) => portWish(port, bridge.options.hostBinding, addresses, crosses));
  try {
    const ports = runtime.ports.take(wishes);
    undo.push(() => runtime.ports.release(ports));
    return ports;
  } catch (error) {
    if (!isGantryError(error)) throw error;
    const where = `driver failed programming external connectivity on endpoint ${endpoint.name} (${endpoint.id})`;
    throw new GantryError(error.code, `${where}: ${error.message}`, error.details, error);
  }
}

const hasIpv6 = (): boolean => existsSync("/proc/net/if_inet6");

/** A port without an address is published on every IPv4 and IPv6 address; `crosses`: on the latter of a container with IPv4 only too. */
function portWish(port: PortMapping, hostBinding: string, { ipv4, ipv6 }: Addresses, crosses: boolean): PortWish {
  const { hostAddress } = port;
  if (hostAddress === "") {
    const both = (ipv6 !== "" || (crosses && port.protocol !== "sctp")) && hostBinding === "0.0.0.0";
    const v4 = { hostAddress: hostBinding, address: ipv4 };
    return { port, ends: both ? [v4, { hostAddress: "::", address: ipv6 || ipv4 }] : [v4] };
  }
  if (isIP(hostAddress) === 0) throw new GantryError("invalid", `invalid IP address: ${hostAddress}`);
  if (hostAddress.includes(":") && ipv6 === "" && (!crosses || port.protocol === "sctp")) {
    throw new GantryError("unsupported", `publishing on ${hostAddress}: the network has no IPv6`);
  }
  return { port, ends: [{ hostAddress, address: hostAddress.includes(":") ? ipv6 || ipv4 : ipv4 }] };
}

export function plugIn(
  runtime: Runtime,
  { network }: LiveNetwork,
  bridge: LiveBridge,
  endpoint: StoredEndpoint,
  netns: number,
): void {
  const leads = endpoint.defaultGateway && !network.internal;
  const addresses: PlugAddress[] = [
    { address: endpoint.ipv4, prefixLength: endpoint.prefixLength, gateway: leads ? endpoint.gateway : undefined },
  ];
  if (endpoint.ipv6 !== "") {
    const gateway = leads ? endpoint.ipv6Gateway : undefined;
    addresses.push({ address: endpoint.ipv6, prefixLength: endpoint.ipv6PrefixLength, gateway });
  }
  for (const address of endpoint.linkLocal ?? [])
    addresses.push({ address, prefixLength: address.includes(":") ? 64 : 16, gateway: undefined });
  try {
    plug(runtime.rtnetlink, {
      bridge: bridge.name,
      hostLink: endpoint.hostLink,
      mtu: bridge.options.mtu,
      isolated: !bridge.options.icc,
      hairpin: endpoint.ports.length > 0 || isRouted(bridge.options),
      netns,
      interfaceName: endpoint.interfaceName,
      mac: endpoint.mac,
      addresses,
      sysctls: endpoint.sysctls ?? {},
    });
  } catch (error) {
    if (!isSyscallError(error, "EEXIST")) throw error;
    throw new GantryError("conflict", `the container has an interface ${endpoint.interfaceName} already`, {}, error);
  }
}

function publish(runtime: Runtime, endpoint: StoredEndpoint, undo: Undo): void {
  const ports = publishedPorts(endpoint);
  runtime.rules.publish(ports);
  undo.push(() => runtime.rules.withdraw(ports));
  forgetUdpFlows(runtime, ports);
}

/** The container's address that a port leads to. */
export function targetOf({ ipv4, ipv6 }: Endpoint, { hostAddress }: PortMapping): string {
  return hostAddress.includes(":") ? ipv6 || ipv4 : ipv4;
}

/** Ports that rules publish: not those that are passed on (port-proxy.ts). */
export function publishedPorts(endpoint: Endpoint): PublishedPort[] {
  return endpoint.ports
    .map((port) => ({ ...port, address: targetOf(endpoint, port) }))
    .filter(({ hostAddress, address }) => !isCrossing(hostAddress, address))
    .map(({ protocol, hostAddress, hostPort, address, containerPort }) => ({
      protocol,
      hostAddress,
      hostPort,
      address,
      containerPort,
    }));
}

/** A datagram flow lives on by its old translation for as long as it is used: it must be looked at anew. */
function forgetUdpFlows(runtime: Runtime, ports: readonly PublishedPort[]): void {
  const udp = ports.filter(({ protocol }) => protocol === "udp");
  if (udp.length === 0) return;
  bestEffort(runtime, "forget old datagram flows", () => {
    forgetFlows(
      (flow) =>
        flow.protocol === "udp" &&
        udp.some(({ hostPort, address }) => flow.originalPort === hostPort || flow.replyAddress === address),
    );
  });
}

/** Undoes an attach. What is on the host no more is no error. */
export function detach(runtime: Runtime, endpoint: StoredEndpoint): void {
  const ports = publishedPorts(endpoint);
  bestEffort(runtime, "withdraw published ports", () => runtime.rules.withdraw(ports));
  forgetUdpFlows(runtime, ports);
  runtime.ports.release(endpoint.ports);
  runtime.endpoints.delete(endpoint.id);
  runtime.names.leave(endpoint);
  if (endpoint.hostLink !== "") bestEffort(runtime, "cut a link off", () => runtime.reaper.cut(endpoint.hostLink));
  runtime.files.removeEndpoint(endpoint.id);
  const bridge = runtime.networks.get(endpoint.networkId)?.bridge;
  bridge?.ipv4.release(endpoint.ipv4);
  if (endpoint.ipv6 !== "") bridge?.ipv6?.release(endpoint.ipv6);
}

export function renameEndpoint({ files, endpoints }: Runtime, endpoint: StoredEndpoint, name: string): void {
  const renamed = { ...endpoint, name };
  files.saveEndpoint(renamed);
  endpoints.set(endpoint.id, renamed);
}

function bestEffort({ logger }: Runtime, what: string, run: () => void): void {
  try {
    run();
  } catch (error) {
    logger.warn({ error: errorText(error) }, `could not ${what}`);
  }
}
