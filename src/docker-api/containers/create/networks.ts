import { isIPv4, isIPv6 } from "node:net";
import { GantryError } from "#base/errors.ts";
import type { NetworkAttachment } from "#containers/engine.ts";
import type {
  DockerConfig,
  DockerEndpointSettings,
  DockerHostConfig,
  DockerNetworkingConfig,
} from "#formats/docker-config.ts";
import { publishedPorts } from "#formats/docker-ports.ts";

/** The networks a container joins: the one of its mode first, with the published ports; then the others asked for. */
export function attachmentsOf(
  config: DockerConfig,
  host: DockerHostConfig,
  networking: DockerNetworkingConfig,
): NetworkAttachment[] {
  const mode = host.NetworkMode ?? "bridge";
  const endpoints = networking.EndpointsConfig ?? {};
  const ports = publishedPorts(
    host.PortBindings ?? {},
    Object.keys(config.ExposedPorts ?? {}),
    host.PublishAllPorts ?? false,
  );
  if (config.NetworkDisabled || mode === "none" || mode === "host" || mode.startsWith("container:")) {
    refuseEndpoints(mode, endpoints);
    return [];
  }
  const others = Object.keys(endpoints).filter((name) => name !== mode);
  return [
    { ...attachmentOf(mode, endpoints[mode] ?? {}), ports },
    ...others.map((name) => ({ ...attachmentOf(name, endpoints[name] ?? {}), ports: [] })),
  ];
}

/** One network's settings, checked in Docker's words. Throws `invalid`, and `unsupported` for what Gantry does not do. */
export function attachmentOf(network: string, settings: DockerEndpointSettings): Omit<NetworkAttachment, "ports"> {
  const { IPAMConfig: ipam = {}, MacAddress: mac } = settings;
  const isDefault = network === "bridge";
  if (ipam.IPv4Address && !isIPv4(ipam.IPv4Address)) throw invalid(`invalid IPv4 address: ${ipam.IPv4Address}`);
  if (ipam.IPv6Address && !isIPv6(ipam.IPv6Address)) throw invalid(`invalid IPv6 address: ${ipam.IPv6Address}`);
  if (isDefault && (ipam.IPv4Address || ipam.IPv6Address)) {
    throw invalid("invalid endpoint settings: user specified IP address is supported on user defined networks only");
  }
  if (isDefault && settings.Aliases?.length) {
    throw invalid("invalid endpoint settings: network-scoped aliases are only supported for user-defined networks");
  }
  if (mac && !/^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(mac)) throw invalid(`invalid MAC address: ${mac}`);
  if (ipam.LinkLocalIPs?.length) throw unsupported("IPAMConfig.LinkLocalIPs");
  if (settings.DriverOpts && Object.keys(settings.DriverOpts).length > 0) throw unsupported("DriverOpts");
  if (settings.GwPriority) throw unsupported("GwPriority");
  return {
    network,
    aliases: settings.Aliases ?? [],
    ...(ipam.IPv4Address && { ipv4: ipam.IPv4Address }),
    ...(ipam.IPv6Address && { ipv6: ipam.IPv6Address }),
    ...(mac && { mac: mac.replaceAll("-", ":").toLowerCase() }),
  };
}

function refuseEndpoints(mode: string, endpoints: object): void {
  const others = Object.keys(endpoints).filter((name) => name !== mode);
  if (others.length === 0) return;
  const reason =
    mode === "none"
      ? "container cannot be connected to multiple networks with one of the networks in private (none) mode"
      : "container sharing network namespace with another container or host cannot be connected to any other network";
  throw invalid(reason);
}

function invalid(message: string): GantryError {
  return new GantryError("invalid", message, { field: "NetworkingConfig" });
}

function unsupported(field: string): GantryError {
  return new GantryError("unsupported", `endpoint setting ${field} is not supported`, { field });
}
