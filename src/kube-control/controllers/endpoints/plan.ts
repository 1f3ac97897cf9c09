import type {
  EndpointAddress,
  EndpointPort,
  Endpoints,
  EndpointSubset,
  Pod,
  Service,
} from "#formats/kube-types.generated.ts";
import { isFinished, isReady, isTerminating } from "../shared/pods.ts";
import { addressOf, HEADLESS_LABEL, hostnameIn, isHeadless, targetPort } from "../shared/service-endpoints.ts";
import { canonicalJson } from "../../shared/canonical-json.ts";

const MANAGED_BY = "endpoints.kubernetes.io/managed-by";
const OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity";
const TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time";
/** Addresses in one Endpoints object at most; the rest is only in the slices. */
const MAX_ADDRESSES = 1000;

/** The Endpoints object that a service should have. `present`: the one it has. */
export function desiredEndpoints(service: Service, pods: readonly Pod[], present: Endpoints | undefined): Endpoints {
  const { subsets, truncated } = truncate(subsetsOf(service, pods));
  const { [OVER_CAPACITY]: _, ...annotations } = present?.metadata.annotations ?? {};
  const labels = {
    ...service.metadata.labels,
    [MANAGED_BY]: "endpoint-controller",
    ...(isHeadless(service) ? { [HEADLESS_LABEL]: "" } : {}),
  };
  return {
    apiVersion: "v1",
    kind: "Endpoints",
    metadata: {
      ...present?.metadata,
      name: service.metadata.name,
      namespace: service.metadata.namespace,
      labels,
      annotations: { ...annotations, ...(truncated && { [OVER_CAPACITY]: "truncated" }) },
    },
    subsets,
  };
}

/** What two Endpoints objects must agree in to be the same. */
export function comparable({ metadata, subsets }: Endpoints): unknown {
  const { [TRIGGER_TIME]: _, ...annotations } = metadata.annotations ?? {};
  return { labels: metadata.labels, annotations, subsets };
}

function subsetsOf(service: Service, pods: readonly Pod[]): EndpointSubset[] {
  const family = service.spec?.ipFamilies?.[0] === "IPv6" || service.spec?.clusterIP?.includes(":") ? "IPv6" : "IPv4";
  const published = service.spec?.publishNotReadyAddresses ?? false;
  const groups = new Map<string, { ports: EndpointPort[]; ready: EndpointAddress[]; notReady: EndpointAddress[] }>();
  for (const pod of pods) {
    const ip = addressOf(pod, family);
    if (isFinished(pod) || ip === undefined || (isTerminating(pod) && !published)) continue;
    const ports = portsOf(service, pod);
    // A service that has ports, none of which this pod has.
    if (!ports) continue;
    const group = groups.get(canonicalJson(ports)) ?? { ports, ready: [], notReady: [] };
    groups.set(canonicalJson(ports), group);
    (published || isReady(pod) ? group.ready : group.notReady).push(address(service, pod, ip));
  }
  return Array.from(groups.values(), ({ ports, ready, notReady }) => ({
    ...(ready.length > 0 && { addresses: ready.sort(byAddress) }),
    ...(notReady.length > 0 && { notReadyAddresses: notReady.sort(byAddress) }),
    ...(ports.length > 0 && { ports }),
  })).sort((a, b) => (canonicalJson(a.ports) < canonicalJson(b.ports) ? -1 : 1));
}

function portsOf(service: Service, pod: Pod): EndpointPort[] | undefined {
  const wanted = service.spec?.ports ?? [];
  const ports = wanted.flatMap((port) => {
    const number = targetPort(pod, port);
    if (number === undefined) return [];
    const { name, protocol = "TCP", appProtocol } = port;
    return [{ ...(name && { name }), port: number, protocol, ...(appProtocol && { appProtocol }) }];
  });
  if (ports.length === 0 && !(wanted.length === 0 && isHeadless(service))) return undefined;
  return ports.sort((a, b) => (canonicalJson(a) < canonicalJson(b) ? -1 : 1));
}

function address(service: Service, pod: Pod, ip: string): EndpointAddress {
  const hostname = hostnameIn(service, pod);
  const { nodeName } = pod.spec ?? {};
  const { namespace, name, uid } = pod.metadata;
  return {
    ip,
    targetRef: { kind: "Pod", namespace, name, uid },
    ...(nodeName && { nodeName }),
    ...(hostname && { hostname }),
  };
}

function byAddress(a: EndpointAddress, b: EndpointAddress): number {
  return a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : 0;
}

/** Ready addresses before others, as many as there is room for. */
function truncate(subsets: EndpointSubset[]): { subsets: EndpointSubset[]; truncated: boolean } {
  const count = (pick: (subset: EndpointSubset) => EndpointAddress[] | undefined): number =>
    subsets.reduce((sum, subset) => sum + (pick(subset)?.length ?? 0), 0);
  const ready = count((subset) => subset.addresses);
  if (ready + count((subset) => subset.notReadyAddresses) <= MAX_ADDRESSES) return { subsets, truncated: false };
  let readyRoom = Math.min(ready, MAX_ADDRESSES);
  let otherRoom = MAX_ADDRESSES - readyRoom;
  const cut = subsets.map((subset) => {
    const addresses = subset.addresses?.slice(0, readyRoom);
    const notReadyAddresses = subset.notReadyAddresses?.slice(0, otherRoom);
    readyRoom -= addresses?.length ?? 0;
    otherRoom -= notReadyAddresses?.length ?? 0;
    return { ...subset, addresses, notReadyAddresses };
  });
  return { subsets: cut, truncated: true };
}
