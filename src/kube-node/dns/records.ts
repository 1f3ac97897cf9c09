/**
 * What the names of a cluster resolve to (kubernetes/dns, docs/specification.md, version 1.1.0), as CoreDNS answers them.
 * Pure: services and slices come from caches.
 */
import { isIPv4, isIPv6 } from "node:net";
import type { Endpoint, EndpointSlice, Service } from "#formats/kube-types.generated.ts";

/** The cluster's objects as the name server needs them. */
export interface ClusterView {
  service(namespace: string, name: string): Service | undefined;
  slices(namespace: string, service: string): readonly EndpointSlice[];
  hasNamespace(name: string): boolean;
  servicesAt(clusterIP: string): readonly Service[];
  slicesAt(address: string): readonly EndpointSlice[];
}

export type DnsRecord =
  | { readonly type: "A" | "AAAA" | "CNAME" | "PTR"; readonly name: string; readonly data: string }
  | { readonly type: "TXT"; readonly name: string; readonly data: string }
  | { readonly type: "SRV"; readonly name: string; readonly port: number; readonly target: string };

/** "none": no such name; otherwise what there is of the type asked for, which may be nothing. */
export type Resolution =
  | { readonly kind: "none" }
  | { readonly kind: "records"; readonly records: readonly DnsRecord[] };

const NONE: Resolution = { kind: "none" };
const records = (...found: DnsRecord[]): Resolution => ({ kind: "records", records: found });

const SERVICE_NAME_LABEL = "kubernetes.io/service-name";
const SCHEMA_VERSION = "1.1.0";

/** Resolves a name within the zone; `labels` are those before the zone, lower case, first label first. */
export function resolveInZone(view: ClusterView, zone: string, labels: readonly string[], type: string): Resolution {
  const full = [...labels, zone].join(".");
  const kind = labels.at(-1);
  if (kind === undefined) return records();
  if (labels.length === 1 && kind === "dns-version") {
    return type === "TXT" ? records({ type: "TXT", name: full, data: SCHEMA_VERSION }) : records();
  }
  const namespace = labels.at(-2);
  if (kind !== "svc" && kind !== "pod") return NONE;
  if (namespace === undefined) return records();
  if (!view.hasNamespace(namespace)) return NONE;
  const rest = labels.slice(0, -2);
  const [first] = rest;
  if (first === undefined) return records();
  if (kind === "pod") return rest.length === 1 ? podName(full, first, type) : NONE;
  return serviceName(view, { zone, namespace, rest, full }, type);
}

/** `10-244-0-5.default.pod`: the address itself, whether there is such a pod or not (CoreDNS: `pods insecure`). */
function podName(name: string, label: string, type: string): Resolution {
  const dots = label.replaceAll("-", ".");
  if (isIPv4(dots)) return type === "A" ? records({ type, name, data: dots }) : records();
  const colons = label.replaceAll("-", ":");
  if (!isIPv6(colons)) return NONE;
  return type === "AAAA" ? records({ type, name, data: colons }) : records();
}

interface ServiceQuery {
  readonly zone: string;
  readonly namespace: string;
  /** Labels before the namespace. */
  readonly rest: readonly string[];
  readonly full: string;
}

function serviceName(view: ClusterView, query: ServiceQuery, type: string): Resolution {
  const { rest, namespace, full, zone } = query;
  const name = rest.at(-1) ?? "";
  const service = view.service(namespace, name);
  if (!service) return NONE;
  const base = `${name}.${namespace}.svc.${zone}`;
  if (service.spec?.type === "ExternalName") {
    if (rest.length > 1) return NONE;
    return records({ type: "CNAME", name: full, data: service.spec.externalName ?? "" });
  }
  const slices = view.slices(namespace, name);
  if (rest.length === 1) return ownName(service, slices, base, type);
  if (rest.length === 3 && rest[0]?.startsWith("_") && rest[1]?.startsWith("_")) {
    return namedPort(service, slices, { base, full, port: rest[0].slice(1), protocol: rest[1].slice(1) }, type);
  }
  if (rest.length === 2 && isHeadless(service)) return endpointName(slices, full, rest[0] ?? "", type);
  return NONE;
}

function isHeadless({ spec }: Service): boolean {
  return spec?.clusterIP === "None" || (spec?.clusterIP ?? "") === "";
}

function clusterIPs({ spec }: Service): readonly string[] {
  return spec?.clusterIPs?.length ? spec.clusterIPs : spec?.clusterIP ? [spec.clusterIP] : [];
}

function ownName(service: Service, slices: readonly EndpointSlice[], name: string, type: string): Resolution {
  if (type === "SRV") {
    const ports = isHeadless(service) ? headlessPorts(slices) : (service.spec?.ports ?? []).map(({ port }) => port);
    return { kind: "records", records: srvRecords(service, slices, name, name, () => true, ports) };
  }
  const addresses = isHeadless(service)
    ? readyEndpoints(slices).flatMap(({ endpoint }) => endpoint.addresses)
    : clusterIPs(service);
  // A headless service without endpoints is a name that nobody has (CoreDNS).
  if (isHeadless(service) && addresses.length === 0) return NONE;
  return { kind: "records", records: addressRecords(addresses, name, type) };
}

function addressRecords(addresses: readonly string[], name: string, type: string): DnsRecord[] {
  if (type !== "A" && type !== "AAAA") return [];
  const wanted = addresses.filter((address) => address.includes(":") === (type === "AAAA"));
  return Array.from(new Set(wanted), (data) => ({ type, name, data }));
}

function headlessPorts(slices: readonly EndpointSlice[]): number[] {
  return Array.from(new Set(slices.flatMap(({ ports }) => (ports ?? []).flatMap(({ port }) => port ?? []))));
}

function namedPort(
  service: Service,
  slices: readonly EndpointSlice[],
  wanted: { readonly base: string; readonly full: string; readonly port: string; readonly protocol: string },
  type: string,
): Resolution {
  const matches = (port: { name?: string; protocol?: string }): boolean =>
    (port.name ?? "") === wanted.port && (port.protocol ?? "TCP").toLowerCase() === wanted.protocol;
  const ports = isHeadless(service)
    ? slices.flatMap((slice) => (slice.ports ?? []).filter(matches).flatMap(({ port }) => port ?? []))
    : (service.spec?.ports ?? []).filter(matches).map(({ port }) => port);
  if (ports.length === 0) return NONE;
  if (type !== "SRV") return records();
  return {
    kind: "records",
    records: srvRecords(service, slices, wanted.full, wanted.base, matches, Array.from(new Set(ports))),
  };
}

/** Of a headless service, one for each endpoint and port; otherwise one for each port, to the service itself. */
function srvRecords(
  service: Service,
  slices: readonly EndpointSlice[],
  name: string,
  base: string,
  matches: (port: { name?: string; protocol?: string }) => boolean,
  ports: readonly number[],
): DnsRecord[] {
  if (!isHeadless(service)) return ports.map((port) => ({ type: "SRV", name, port, target: base }));
  return readyEndpoints(slices).flatMap(({ endpoint, slice }) =>
    (slice.ports ?? [])
      .filter(matches)
      .flatMap(({ port }): DnsRecord[] =>
        port === undefined ? [] : [{ type: "SRV", name, port, target: `${hostnameOf(endpoint)}.${base}` }],
      ),
  );
}

function endpointName(slices: readonly EndpointSlice[], name: string, hostname: string, type: string): Resolution {
  const found = readyEndpoints(slices).filter(({ endpoint }) => hostnameOf(endpoint) === hostname);
  if (found.length === 0) return NONE;
  return {
    kind: "records",
    records: addressRecords(
      found.flatMap(({ endpoint }) => endpoint.addresses),
      name,
      type,
    ),
  };
}

function readyEndpoints(slices: readonly EndpointSlice[]): { endpoint: Endpoint; slice: EndpointSlice }[] {
  return slices.flatMap((slice) =>
    (slice.endpoints ?? [])
      .filter(({ conditions }) => conditions?.ready !== false)
      .map((endpoint) => ({ endpoint, slice })),
  );
}

/** The endpoint's own hostname, or its address with dashes. */
function hostnameOf({ hostname, addresses }: Endpoint): string {
  return hostname ?? (addresses[0] ?? "").replaceAll(/[.:]/g, "-");
}

/** The target of a reverse lookup; undefined for addresses that are not the cluster's. */
export function resolveReverse(view: ClusterView, zone: string, address: string): string[] | undefined {
  const own = view
    .servicesAt(address)
    .map(({ metadata }) => `${metadata.name ?? ""}.${metadata.namespace ?? ""}.svc.${zone}`);
  if (own.length > 0) return own;
  const targets = view.slicesAt(address).flatMap((slice) => {
    const service = slice.metadata.labels?.[SERVICE_NAME_LABEL];
    if (service === undefined) return [];
    return (slice.endpoints ?? [])
      .filter(({ addresses }) => addresses.includes(address))
      .map((endpoint) => `${hostnameOf(endpoint)}.${service}.${slice.metadata.namespace ?? ""}.svc.${zone}`);
  });
  return targets.length > 0 ? targets : undefined;
}
