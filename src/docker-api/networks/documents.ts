import type { Container } from "#containers/engine.ts";
import { formatTime } from "#formats/docker-time.ts";
import type { Endpoint, Network } from "#network/networks.ts";
import { PREDEFINED } from "./predefined.ts";

/** A network as list and inspect show it; `endpoints` only for inspect. */
export function networkDocument(
  network: Network,
  endpoints: readonly Endpoint[],
  find: (id: string) => Container | undefined,
): object {
  return {
    Name: network.name,
    Id: network.id,
    Created: formatTime(network.createdAt),
    Scope: "local",
    Driver: network.driver,
    EnableIPv4: true,
    EnableIPv6: network.enableIPv6,
    IPAM: {
      Driver: "default",
      // A client's request carries empty options; Docker's own networks were made without any.
      Options: PREDEFINED.has(network.name) ? null : {},
      Config: network.ipam.length > 0 ? shownRanges(network).map(ipamDocument) : null,
    },
    Internal: network.internal,
    Attachable: network.attachable,
    Ingress: false,
    ConfigFrom: { Network: "" },
    ConfigOnly: false,
    Containers: Object.fromEntries(
      endpoints.map((endpoint) => [endpoint.owner, endpointDocument(endpoint, find(endpoint.owner))]),
    ),
    Options: network.options,
    Labels: network.labels,
  };
}

/** As they were asked for, IPv4 first; what was chosen where nothing was asked. */
function shownRanges({ ipam, askedIpam = [] }: Network): Network["ipam"] {
  const isV6 = ({ subnet }: Network["ipam"][number]): boolean => subnet.includes(":");
  return [false, true].flatMap((family) => {
    const asked = askedIpam.filter((range) => isV6(range) === family);
    return asked.length > 0 ? asked : ipam.filter((range) => isV6(range) === family);
  });
}

function ipamDocument({ subnet, gateway, ipRange, auxAddresses }: Network["ipam"][number]): object {
  return {
    Subnet: subnet,
    ...(ipRange !== undefined && { IPRange: ipRange }),
    ...(gateway !== undefined && { Gateway: gateway }),
    ...(auxAddresses !== undefined && Object.keys(auxAddresses).length > 0 && { AuxiliaryAddresses: auxAddresses }),
  };
}

function endpointDocument(endpoint: Endpoint, container: Container | undefined): object {
  return {
    Name: container?.name ?? endpoint.owner,
    EndpointID: endpoint.id,
    MacAddress: endpoint.mac,
    IPv4Address: endpoint.ipv4 === "" ? "" : `${endpoint.ipv4}/${endpoint.prefixLength}`,
    IPv6Address: endpoint.ipv6 === "" ? "" : `${endpoint.ipv6}/${endpoint.ipv6PrefixLength}`,
  };
}
