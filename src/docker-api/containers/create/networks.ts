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
  if (isDefault && settings.Aliases?.length) {
    throw invalid("invalid endpoint settings: network-scoped aliases are only supported for user-defined networks");
  }
  if (mac && !/^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(mac)) throw invalid(`invalid MAC address: ${mac}`);
  const linkLocal = ipam.LinkLocalIPs ?? [];
  const bad = linkLocal.find((address) => !isIPv4(address) && !isIPv6(address));
  if (bad !== undefined) throw invalid(`invalid link-local IP address: ${bad}`);
  return {
    network,
    aliases: settings.Aliases ?? [],
    ...(linkLocal.length > 0 && { linkLocal }),
    ...(settings.GwPriority && { gatewayPriority: settings.GwPriority }),
    ...driverOptionsOf(settings.DriverOpts ?? {}),
    ...(ipam.IPv4Address && { ipv4: ipam.IPv4Address }),
    ...(ipam.IPv6Address && { ipv6: ipam.IPv6Address }),
    ...(mac && { mac: mac.replaceAll("-", ":").toLowerCase() }),
  };
}

const OPTION_SYSCTLS = "com.docker.network.endpoint.sysctls";
const OPTION_INTERFACE = "com.docker.network.endpoint.ifname";

/** Options of an endpoint that the bridge driver knows. Throws `unsupported` for others, by name. */
function driverOptionsOf(
  options: Readonly<Record<string, string>>,
): Pick<NetworkAttachment, "sysctls" | "interfaceName" | "driverOptions"> {
  if (Object.keys(options).length === 0) return {};
  const unknown = Object.keys(options).find((name) => name !== OPTION_SYSCTLS && name !== OPTION_INTERFACE);
  if (unknown !== undefined) throw unsupported(`DriverOpts[${JSON.stringify(unknown)}]`);
  const interfaceName = options[OPTION_INTERFACE];
  if (interfaceName !== undefined && !/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,14}$/.test(interfaceName))
    throw invalid(`invalid interface name: ${JSON.stringify(interfaceName)}`);
  return {
    driverOptions: options,
    ...(interfaceName !== undefined && { interfaceName }),
    ...(options[OPTION_SYSCTLS] !== undefined && { sysctls: interfaceSysctls(options[OPTION_SYSCTLS]) }),
  };
}

/** `net.ipv4.conf.IFNAME.log_martians=1,...` */
function interfaceSysctls(text: string): Record<string, string> {
  const pairs = text.split(",").map((each): [string, string] => {
    const [name = "", value] = each.split("=", 2);
    if (value === undefined || !/^net\.(ipv4|ipv6|mpls)\.(conf\.|neigh\.)?IFNAME\.[a-z0-9_]+$/i.test(name))
      throw invalid(`unable to parse sysctl ${each}: want net.X.Y.IFNAME.setting=value`);
    return [name, value];
  });
  return Object.fromEntries(pairs);
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
