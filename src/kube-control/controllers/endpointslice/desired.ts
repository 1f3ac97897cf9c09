import type { DiscoveryEndpointPort, Endpoint, Pod, Service } from "#formats/kube-types.generated.ts";
import { canonicalJson } from "../../shared/canonical-json.ts";
import { isFinished, isReady, isTerminating } from "../shared/pods.ts";
import { addressOf, hostnameIn, targetPort } from "../shared/service-endpoints.ts";

export type AddressType = "IPv4" | "IPv6";

/** Endpoints that share their ports: a slice holds only such. */
export interface PortGroup {
  readonly addressType: AddressType;
  readonly ports: readonly DiscoveryEndpointPort[];
  /** By the pod's uid. */
  readonly endpoints: ReadonlyMap<string, Endpoint>;
}

/** The zone of a node; undefined when it has none or is not there. */
export type ZoneOf = (nodeName: string) => string | undefined;

/** The endpoints that a service should have, in groups of the same ports, one for each address family at least. */
export function desiredGroups(service: Service, pods: readonly Pod[], zoneOf: ZoneOf): PortGroup[] {
  return addressTypes(service).flatMap((addressType) => {
    const groups = new Map<string, { ports: readonly DiscoveryEndpointPort[]; endpoints: Map<string, Endpoint> }>();
    for (const pod of pods) {
      const endpoint = isFinished(pod) ? undefined : endpointOf(service, pod, addressType, zoneOf);
      if (!endpoint) continue;
      const ports = portsOf(service, pod);
      const key = canonicalJson(ports);
      const group = groups.get(key) ?? { ports, endpoints: new Map<string, Endpoint>() };
      group.endpoints.set(pod.metadata.uid ?? "", endpoint);
      groups.set(key, group);
    }
    return Array.from(groups.values(), (group) => ({ addressType, ...group }));
  });
}

/** The families of a service's addresses; of a headless one that names none, IPv4. */
export function addressTypes(service: Service): AddressType[] {
  const families = service.spec?.ipFamilies?.filter((family) => family === "IPv4" || family === "IPv6") ?? [];
  if (families.length > 0) return families;
  return service.spec?.clusterIP?.includes(":") ? ["IPv6"] : ["IPv4"];
}

function portsOf(service: Service, pod: Pod): DiscoveryEndpointPort[] {
  return (service.spec?.ports ?? []).flatMap((port) => {
    const number = targetPort(pod, port);
    if (number === undefined) return [];
    const { name = "", protocol = "TCP", appProtocol } = port;
    return [{ name, port: number, protocol, ...(appProtocol === undefined ? {} : { appProtocol }) }];
  });
}

function endpointOf(service: Service, pod: Pod, addressType: AddressType, zoneOf: ZoneOf): Endpoint | undefined {
  const address = addressOf(pod, addressType);
  if (address === undefined) return undefined;
  const { nodeName } = pod.spec ?? {};
  const zone = nodeName === undefined ? undefined : zoneOf(nodeName);
  const hostname = hostnameIn(service, pod);
  const serving = isReady(pod);
  const terminating = isTerminating(pod);
  const published = service.spec?.publishNotReadyAddresses ?? false;
  const hints = hintsFor(service, nodeName, zone);
  return {
    addresses: [address],
    conditions: { ready: published || (serving && !terminating), serving, terminating },
    targetRef: { kind: "Pod", namespace: pod.metadata.namespace, name: pod.metadata.name, uid: pod.metadata.uid },
    ...(nodeName && { nodeName }),
    ...(zone && { zone }),
    ...(hostname && { hostname }),
    ...(hints && { hints }),
  };
}

/** spec.trafficDistribution: clients near an endpoint use it first. */
function hintsFor(service: Service, nodeName: string | undefined, zone: string | undefined): Endpoint["hints"] {
  const forZones = zone === undefined ? {} : { forZones: [{ name: zone }] };
  switch (service.spec?.trafficDistribution) {
    case "PreferClose":
    case "PreferSameZone":
      return zone === undefined ? undefined : forZones;
    case "PreferSameNode":
      return nodeName === undefined ? undefined : { ...forZones, forNodes: [{ name: nodeName }] };
    default:
      return undefined;
  }
}
