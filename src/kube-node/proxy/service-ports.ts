/** From a Service and its EndpointSlices to the rules' services, as kube-proxy decides it. Pure. */
import type {
  DiscoveryEndpointPort,
  Endpoint,
  EndpointSlice,
  Service,
  ServicePort as KubePort,
} from "#formats/kube-types.generated.ts";
import { objectKey } from "#formats/kube-object.ts";
import type { ServiceEndpoint, ServicePort } from "#network/service-rules.ts";

/** kube-proxies leave services with this label to others. */
const PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name";
/** The API's default for session affinity ClientIP. */
const AFFINITY_SECONDS = 10_800;

export interface EndpointAddress {
  readonly address: string;
  readonly port: number;
}

export interface Viewpoint {
  readonly nodeName: string;
  /** Of the node, when it has one. */
  readonly zone?: string | undefined;
  /** Endpoints of this node's own making, instead of the slices', by `namespace/name`. */
  readonly own: ReadonlyMap<string, EndpointAddress>;
}

/** One entry for each port and address family; none for headless and external-name services. */
export function servicePorts(service: Service, slices: readonly EndpointSlice[], from: Viewpoint): ServicePort[] {
  const { spec, metadata } = service;
  if (!spec || spec.type === "ExternalName" || metadata.labels?.[PROXY_NAME_LABEL] !== undefined) return [];
  const addresses = spec.clusterIPs?.length ? spec.clusterIPs : [spec.clusterIP ?? ""];
  if (addresses.includes("None")) return [];
  return addresses
    .filter((address) => address !== "")
    .flatMap((clusterIP) => (spec.ports ?? []).flatMap((port) => portOf(service, clusterIP, port, slices, from)));
}

function portOf(
  service: Service,
  clusterIP: string,
  port: KubePort,
  slices: readonly EndpointSlice[],
  from: Viewpoint,
): ServicePort[] {
  const { spec } = service;
  const family = clusterIP.includes(":") ? "ip6" : "ip";
  const protocol = protocolOf(port.protocol);
  if (!protocol || !spec) return [];
  const ofFamily = (address: string | undefined): address is string =>
    address !== undefined && address.includes(":") === (family === "ip6");
  const ingress = service.status?.loadBalancer?.ingress ?? [];
  return [
    {
      key: `${objectKey(service)}:${port.name ?? ""}`,
      family,
      protocol,
      clusterIP,
      port: port.port,
      nodePort: spec.type === "NodePort" || spec.type === "LoadBalancer" ? (port.nodePort ?? 0) : 0,
      externalIPs: (spec.externalIPs ?? []).filter(ofFamily),
      loadBalancerIPs: ingress.flatMap(({ ip, ipMode }) => (ofFamily(ip) && ipMode !== "Proxy" ? [ip] : [])),
      loadBalancerSourceRanges: spec.type === "LoadBalancer" ? (spec.loadBalancerSourceRanges ?? []) : [],
      internalTrafficPolicy: spec.internalTrafficPolicy === "Local" ? "Local" : "Cluster",
      externalTrafficPolicy: spec.externalTrafficPolicy === "Local" ? "Local" : "Cluster",
      affinitySeconds:
        spec.sessionAffinity === "ClientIP"
          ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? AFFINITY_SECONDS)
          : 0,
      ...endpointsOf(service, port, family, slices, from),
    },
  ];
}

function protocolOf(protocol = "TCP"): ServicePort["protocol"] | undefined {
  return ({ TCP: "tcp", UDP: "udp", SCTP: "sctp" } as const)[protocol];
}

function endpointsOf(
  service: Service,
  port: KubePort,
  family: "ip" | "ip6",
  slices: readonly EndpointSlice[],
  from: Viewpoint,
): Pick<ServicePort, "endpoints" | "localEndpoints"> {
  const own = from.own.get(objectKey(service));
  if (own) return { endpoints: own.address.includes(":") === (family === "ip6") ? [{ ...own, local: true }] : [] };
  const found = new Map<string, Found>();
  for (const slice of slices) {
    if (slice.addressType !== (family === "ip6" ? "IPv6" : "IPv4")) continue;
    const number = (slice.ports ?? []).find((candidate) => isPort(candidate, port))?.port;
    if (number === undefined) continue;
    for (const source of slice.endpoints ?? []) {
      const [address] = source.addresses;
      if (address === undefined) continue;
      found.set(`${address} ${number}`, {
        endpoint: { address, port: number, local: source.nodeName === from.nodeName },
        source,
      });
    }
  }
  const all = Array.from(found.values());
  const endpoints = usable(all, (ready) => near(ready, from)).map(({ endpoint }) => endpoint);
  if (service.spec?.internalTrafficPolicy !== "Local" && service.spec?.externalTrafficPolicy !== "Local")
    return { endpoints };
  const local = usable(all.filter(({ endpoint }) => endpoint.local));
  return { endpoints, localEndpoints: local.map(({ endpoint }) => endpoint) };
}

interface Found {
  readonly endpoint: ServiceEndpoint;
  readonly source: Endpoint;
}

/** When nobody is ready, those that are ending but still serve are better than nothing (KEP-1669). */
function usable(
  all: readonly Found[],
  choose: (ready: readonly Found[]) => readonly Found[] = (ready) => ready,
): readonly Found[] {
  const ready = all.filter(({ source }) => source.conditions?.ready !== false);
  if (ready.length > 0) return choose(ready);
  return all.filter(({ source }) => source.conditions?.serving === true && source.conditions.terminating === true);
}

/**
 * Those that the slices' hints mean for this node, else for its zone (kube-proxy's topology.go): only while every endpoint has a hint, and one
 * of them is for us; else all.
 */
function near(ready: readonly Found[], { nodeName, zone }: Viewpoint): readonly Found[] {
  const byHint = (hints: (source: Endpoint) => readonly { name: string }[], wanted: string): readonly Found[] => {
    if (!ready.every(({ source }) => hints(source).length > 0)) return [];
    return ready.filter(({ source }) => hints(source).some(({ name }) => name === wanted));
  };
  const onNode = byHint(({ hints }) => hints?.forNodes ?? [], nodeName);
  if (onNode.length > 0) return onNode;
  const inZone = zone === undefined ? [] : byHint(({ hints }) => hints?.forZones ?? [], zone);
  return inZone.length > 0 ? inZone : ready;
}

function isPort(candidate: DiscoveryEndpointPort, port: KubePort): boolean {
  return (candidate.name ?? "") === (port.name ?? "") && (candidate.protocol ?? "TCP") === (port.protocol ?? "TCP");
}
