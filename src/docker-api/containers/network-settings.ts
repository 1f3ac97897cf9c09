import type { Container, NetworkAttachment } from "#containers/engine.ts";
import { portKey, parseContainerPorts } from "#formats/docker-ports.ts";
import type { Endpoint, Network } from "#network/networks.ts";

export type FindNetwork = (reference: string) => Network | undefined;

/** EndpointSettings of each network of a container, by the network's name. */
export function networksDocument(container: Container, findNetwork: FindNetwork): Record<string, object> {
  const { network } = container.config.namespaces;
  const result = Object.create(null) as Record<string, object>;
  if (network.kind === "host" || network.kind === "none") {
    result[network.kind] = endpointDocument(undefined, undefined, findNetwork(network.kind)?.id ?? "");
    return result;
  }
  for (const attachment of container.config.networks) {
    const found = findNetwork(attachment.network);
    const endpoint = container.endpoints.find(({ networkId }) => networkId === found?.id);
    const started = container.state.status !== "created" || container.state.exit !== undefined;
    result[found?.name ?? attachment.network] = {
      ...endpointDocument(endpoint, attachment, started ? (found?.id ?? "") : ""),
      DNSNames: endpoint && found?.name !== "bridge" ? [container.name, ...endpoint.aliases] : null,
    };
  }
  return result;
}

function endpointDocument(
  endpoint: Endpoint | undefined,
  attachment: NetworkAttachment | undefined,
  networkId: string,
): object {
  const addresses = {
    ...(attachment?.linkLocal !== undefined && { LinkLocalIPs: attachment.linkLocal }),
    ...(attachment?.ipv4 !== undefined && { IPv4Address: attachment.ipv4 }),
    ...(attachment?.ipv6 !== undefined && { IPv6Address: attachment.ipv6 }),
  };
  return {
    IPAMConfig: Object.keys(addresses).length > 0 ? addresses : null,
    Links: null,
    Aliases: attachment && attachment.aliases.length > 0 ? attachment.aliases : null,
    MacAddress: endpoint?.mac ?? attachment?.mac ?? "",
    DriverOpts: attachment?.driverOptions ?? null,
    GwPriority: attachment?.gatewayPriority ?? 0,
    NetworkID: networkId,
    EndpointID: endpoint?.id ?? "",
    Gateway: endpoint?.gateway ?? "",
    IPAddress: endpoint?.ipv4 ?? "",
    IPPrefixLen: endpoint?.prefixLength ?? 0,
    IPv6Gateway: endpoint?.ipv6Gateway ?? "",
    GlobalIPv6Address: endpoint?.ipv6 ?? "",
    GlobalIPv6PrefixLen: endpoint?.ipv6PrefixLength ?? 0,
    DNSNames: null,
  };
}

/** inspect's NetworkSettings, with the default bridge's fields once more at the top, as old clients expect. */
export function networkSettingsDocument(container: Container, findNetwork: FindNetwork): object {
  const bridge = findNetwork("bridge");
  const endpoint = container.endpoints.find(({ networkId }) => networkId === bridge?.id);
  const running = container.state.status === "running" || container.state.status === "paused";
  return {
    Bridge: "",
    SandboxID: running ? container.id : "",
    SandboxKey: running && "pid" in container.state ? `/proc/${container.state.pid}/ns/net` : "",
    Ports: running ? portsDocument(container) : {},
    HairpinMode: false,
    LinkLocalIPv6Address: "",
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: endpoint?.id ?? "",
    Gateway: endpoint?.gateway ?? "",
    GlobalIPv6Address: endpoint?.ipv6 ?? "",
    GlobalIPv6PrefixLen: endpoint?.ipv6PrefixLength ?? 0,
    IPAddress: endpoint?.ipv4 ?? "",
    IPPrefixLen: endpoint?.prefixLength ?? 0,
    IPv6Gateway: endpoint?.ipv6Gateway ?? "",
    MacAddress: endpoint?.mac ?? "",
    Networks: networksDocument(container, findNetwork),
  };
}

/** Ports by `80/tcp`: where they are published, null when only exposed. */
function portsDocument(container: Container): Record<string, { HostIp: string; HostPort: string }[] | null> {
  const ports = Object.create(null) as Record<string, { HostIp: string; HostPort: string }[] | null>;
  if (container.config.namespaces.network.kind !== "new") return ports;
  for (const key of exposedPorts(container)) ports[key] = null;
  for (const { containerPort, protocol, hostAddress, hostPort } of container.endpoints.flatMap(
    (endpoint) => endpoint.ports,
  )) {
    const key = portKey({ port: containerPort, protocol });
    (ports[key] ??= []).push({ HostIp: hostAddress || "0.0.0.0", HostPort: String(hostPort) });
  }
  return ports;
}

/** The keys of the Config's ExposedPorts, ranges taken apart. */
export function exposedPorts(container: Container): string[] {
  const docker = container.config.origin?.["docker"] as { Config?: { ExposedPorts?: object } } | undefined;
  return Object.keys(docker?.Config?.ExposedPorts ?? {}).flatMap((key) => parseContainerPorts(key).map(portKey));
}

export interface PortSummary {
  IP?: string;
  PrivatePort: number;
  PublicPort?: number;
  Type: string;
}

/** `docker ps`'s ports. */
export function portSummaries(container: Container): PortSummary[] {
  const running = container.state.status === "running" || container.state.status === "paused";
  if (!running) return [];
  return Object.entries(portsDocument(container)).flatMap(([key, hosts]): PortSummary[] => {
    const [port = "", type = ""] = key.split("/");
    const bare = { PrivatePort: Number(port), Type: type };
    return hosts === null
      ? [bare]
      : hosts.map(({ HostIp, HostPort }) => ({ IP: HostIp, ...bare, PublicPort: Number(HostPort) }));
  });
}
