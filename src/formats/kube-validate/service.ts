import { isCidr, isDnsLabel, isDnsSubdomain, isIpAddress, isPortNumber, isQualifiedName } from "../kube-names.ts";
import type { Endpoints, EndpointSlice, Service, ServicePort, ServiceSpec } from "../kube-types.generated.ts";
import {
  at,
  child,
  duplicate,
  each,
  forbidden,
  invalid,
  invalidEach,
  notSupported,
  oneOf,
  optionalOneOf,
  required,
  type FieldErrors,
} from "./errors.ts";
import { checkLabels } from "./meta.ts";
import { checkPort } from "./probes.ts";

const TYPES = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const PROTOCOLS = ["SCTP", "TCP", "UDP"];
const KUBELET_PORT = 10_250;
const MAX_AFFINITY_SECONDS = 86_400;

/** ValidateService. */
export function checkService(service: Service): FieldErrors {
  const spec = service.spec ?? {};
  return [
    ...checkType(spec),
    ...checkPorts(spec),
    ...checkAddresses(spec),
    ...checkTraffic(spec),
    ...checkLabels(spec.selector, "spec.selector"),
  ];
}

function isExternal({ type }: ServiceSpec): boolean {
  return type === "NodePort" || type === "LoadBalancer";
}

function checkType(spec: ServiceSpec): FieldErrors {
  const { type, externalName, clusterIP } = spec;
  const errors: FieldErrors = [];
  if (type === "ExternalName") {
    if (clusterIP) errors.push(forbidden("spec.clusterIP", "may not be set for ExternalName services"));
    if (!externalName) errors.push(required("spec.externalName"));
    else
      errors.push(...invalidEach("spec.externalName", externalName, isDnsSubdomain(externalName.replace(/\.$/, ""))));
  }
  errors.push(...oneOf("spec.type", type, TYPES));
  errors.push(...oneOf("spec.sessionAffinity", spec.sessionAffinity, ["ClientIP", "None"]));
  const seconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds;
  const where = "spec.sessionAffinityConfig.clientIP.timeoutSeconds";
  if (
    spec.sessionAffinity === "ClientIP" &&
    seconds !== undefined &&
    (seconds <= 0 || seconds > MAX_AFFINITY_SECONDS)
  ) {
    errors.push(invalid(where, seconds, `must be greater than 0 and less than ${MAX_AFFINITY_SECONDS}`));
  }
  if (spec.sessionAffinity === "None" && spec.sessionAffinityConfig) {
    errors.push(forbidden("spec.sessionAffinityConfig", "must not be set when session affinity is None"));
  }
  return errors;
}

function checkPorts(spec: ServiceSpec): FieldErrors {
  const ports = spec.ports ?? [];
  const headless = spec.clusterIP === "None";
  const errors: FieldErrors = [];
  if (ports.length === 0 && !headless && spec.type !== "ExternalName") errors.push(required("spec.ports"));
  const names = new Set<string>();
  const pairs = new Set<string>();
  const nodePorts = new Set<string>();
  errors.push(
    ...each("spec.ports", ports, (port, where) => [
      ...checkServicePort(port, ports.length > 1, names, where),
      ...checkNodePort(port, spec, nodePorts, where),
      ...checkPair(port, pairs, where),
    ]),
  );
  return errors;
}

function checkServicePort(port: ServicePort, named: boolean, names: Set<string>, path: string): FieldErrors {
  const errors: FieldErrors = [];
  const where = child(path, "name");
  if (!port.name && named) errors.push(required(where));
  if (port.name) {
    errors.push(...invalidEach(where, port.name, isDnsLabel(port.name)));
    if (names.has(port.name)) errors.push(duplicate(where, port.name));
    names.add(port.name);
  }
  errors.push(...invalidEach(child(path, "port"), port.port, isPortNumber(port.port)));
  errors.push(...oneOf(child(path, "protocol"), port.protocol, PROTOCOLS));
  errors.push(...checkPort(port.targetPort, child(path, "targetPort")));
  if (port.appProtocol)
    errors.push(...invalidEach(child(path, "appProtocol"), port.appProtocol, isQualifiedName(port.appProtocol)));
  return errors;
}

function checkNodePort(port: ServicePort, spec: ServiceSpec, taken: Set<string>, path: string): FieldErrors {
  const errors: FieldErrors = [];
  const where = child(path, "nodePort");
  if (spec.type === "LoadBalancer" && port.port === KUBELET_PORT) {
    errors.push(
      invalid(child(path, "port"), port.port, "may not expose port 10250 externally since it is used by kubelet"),
    );
  }
  if (!port.nodePort) return errors;
  if (!isExternal(spec)) errors.push(forbidden(where, "may not be used when `type` is 'ClusterIP'"));
  errors.push(...invalidEach(where, port.nodePort, isPortNumber(port.nodePort)));
  const key = `${port.protocol ?? ""}/${port.nodePort}`;
  if (taken.has(key)) errors.push(duplicate(where, port.nodePort));
  taken.add(key);
  return errors;
}

function checkPair({ protocol, port }: ServicePort, pairs: Set<string>, path: string): FieldErrors {
  const key = `${protocol ?? ""}/${port}`;
  const twice = pairs.has(key);
  pairs.add(key);
  return twice ? [duplicate(path, { protocol, port })] : [];
}

function checkAddresses(spec: ServiceSpec): FieldErrors {
  const errors: FieldErrors = [];
  const { clusterIP = "", clusterIPs = [], ipFamilies = [], ipFamilyPolicy } = spec;
  if (spec.type === "ExternalName") return errors;
  if (clusterIPs.length > 0 && clusterIPs[0] !== clusterIP) {
    errors.push(invalid("spec.clusterIPs", clusterIPs, "first value must match `clusterIP`"));
  }
  if (clusterIPs.length > 2) errors.push(invalid("spec.clusterIPs", clusterIPs, "may only hold up to 2 values"));
  for (const [index, ip] of (clusterIPs.length > 0 ? clusterIPs : clusterIP ? [clusterIP] : []).entries()) {
    if (ip === "None" || ip === "") continue;
    errors.push(...invalidEach(at("spec.clusterIPs", index), ip, isIpAddress(ip)));
  }
  if (clusterIPs.length > 1 && clusterIPs.includes("None")) {
    errors.push(invalid("spec.clusterIPs", clusterIPs, "'None' must be the first and only value"));
  }
  errors.push(
    ...optionalOneOf("spec.ipFamilyPolicy", ipFamilyPolicy, ["PreferDualStack", "RequireDualStack", "SingleStack"]),
  );
  if (new Set(ipFamilies).size < ipFamilies.length) errors.push(duplicate("spec.ipFamilies[1]", ipFamilies[1]));
  for (const [index, family] of ipFamilies.entries()) {
    if (family !== "IPv4" && family !== "IPv6")
      errors.push(notSupported(at("spec.ipFamilies", index), family, ["IPv4", "IPv6"]));
  }
  errors.push(...each("spec.externalIPs", spec.externalIPs, (ip, where) => invalidEach(where, ip, isIpAddress(ip))));
  return errors;
}

function checkTraffic(spec: ServiceSpec): FieldErrors {
  const errors: FieldErrors = [];
  const external = spec.externalTrafficPolicy;
  const exposed = isExternal(spec) || (spec.externalIPs?.length ?? 0) > 0;
  if (external && !exposed)
    errors.push(invalid("spec.externalTrafficPolicy", external, "may only be set for externally-accessible services"));
  else errors.push(...optionalOneOf("spec.externalTrafficPolicy", external, ["Cluster", "Local"]));
  errors.push(...optionalOneOf("spec.internalTrafficPolicy", spec.internalTrafficPolicy, ["Cluster", "Local"]));
  if (spec.healthCheckNodePort && !(spec.type === "LoadBalancer" && external === "Local")) {
    errors.push(
      invalid(
        "spec.healthCheckNodePort",
        spec.healthCheckNodePort,
        "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
      ),
    );
  }
  const ranges = spec.loadBalancerSourceRanges ?? [];
  if (ranges.length > 0 && spec.type !== "LoadBalancer")
    errors.push(forbidden("spec.LoadBalancerSourceRanges", "may only be used when `type` is 'LoadBalancer'"));
  errors.push(
    ...each("spec.loadBalancerSourceRanges", ranges, (range, where) => invalidEach(where, range, isCidr(range.trim()))),
  );
  if (spec.loadBalancerClass !== undefined) {
    if (spec.type !== "LoadBalancer")
      errors.push(forbidden("spec.loadBalancerClass", "may only be used when `type` is 'LoadBalancer'"));
    else
      errors.push(
        ...invalidEach("spec.loadBalancerClass", spec.loadBalancerClass, isQualifiedName(spec.loadBalancerClass)),
      );
  }
  if (spec.allocateLoadBalancerNodePorts !== undefined && spec.type !== "LoadBalancer") {
    errors.push(forbidden("spec.allocateLoadBalancerNodePorts", "may only be used when `type` is 'LoadBalancer'"));
  }
  errors.push(
    ...optionalOneOf("spec.trafficDistribution", spec.trafficDistribution, [
      "PreferClose",
      "PreferSameNode",
      "PreferSameZone",
    ]),
  );
  return errors;
}

/** A cluster IP, once given, stays while the service needs one. */
export function checkServiceUpdate(service: Service, old: Service): FieldErrors {
  const spec = service.spec ?? {};
  const before = old.spec ?? {};
  const errors: FieldErrors = [];
  const needs = (type: string | undefined): boolean => type !== "ExternalName";
  const first = before.clusterIPs?.[0] ?? before.clusterIP;
  const now = spec.clusterIPs?.[0] ?? spec.clusterIP;
  if (needs(spec.type) && needs(before.type) && first && now !== first) {
    errors.push(invalid("spec.clusterIPs[0]", spec.clusterIPs ?? [now ?? ""], "may not change once set"));
  }
  if (
    before.type === "LoadBalancer" &&
    spec.type === "LoadBalancer" &&
    before.loadBalancerClass !== spec.loadBalancerClass
  ) {
    errors.push(invalid("spec.loadBalancerClass", spec.loadBalancerClass, "may not change once set"));
  }
  const family = before.ipFamilies?.[0];
  if (needs(spec.type) && needs(before.type) && family && spec.ipFamilies?.[0] && spec.ipFamilies[0] !== family) {
    errors.push(invalid("spec.ipFamilies[0]", spec.ipFamilies, "may not change once set"));
  }
  return errors;
}

/** Addresses that would lead out of the pod network to the node itself or to its metadata (validateNonSpecialIP). */
function checkEndpointIp(ip: string, path: string): FieldErrors {
  const errors = invalidEach(path, ip, isIpAddress(ip));
  if (errors.length > 0) return errors;
  const lower = ip.toLowerCase();
  if (ip === "0.0.0.0" || lower === "::") errors.push(invalid(path, ip, `may not be unspecified (${ip})`));
  if (ip.startsWith("127.") || lower === "::1")
    errors.push(invalid(path, ip, "may not be in the loopback range (127.0.0.0/8, ::1/128)"));
  if (ip.startsWith("169.254.") || /^fe[89ab]/.test(lower))
    errors.push(invalid(path, ip, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"));
  if (ip.startsWith("224.0.0.") || lower.startsWith("ff02:"))
    errors.push(invalid(path, ip, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"));
  return errors;
}

export function checkEndpoints({ subsets }: Endpoints): FieldErrors {
  return each("subsets", subsets, ({ addresses = [], notReadyAddresses = [], ports }, path) => {
    const errors: FieldErrors = [];
    if (addresses.length === 0 && notReadyAddresses.length === 0)
      errors.push(required(path, "must specify `addresses` or `notReadyAddresses`"));
    errors.push(
      ...each(child(path, "addresses"), addresses, ({ ip }, where) => checkEndpointIp(ip, child(where, "ip"))),
    );
    errors.push(
      ...each(child(path, "notReadyAddresses"), notReadyAddresses, ({ ip }, where) =>
        checkEndpointIp(ip, child(where, "ip")),
      ),
    );
    errors.push(
      ...each(child(path, "ports"), ports, ({ name, port, protocol }, where) => [
        ...((ports?.length ?? 0) > 1 && !name ? [required(child(where, "name"))] : []),
        ...(name ? invalidEach(child(where, "name"), name, isDnsLabel(name)) : []),
        ...invalidEach(child(where, "port"), port, isPortNumber(port)),
        ...oneOf(child(where, "protocol"), protocol, PROTOCOLS),
      ]),
    );
    return errors;
  });
}

export function checkEndpointSlice(slice: EndpointSlice): FieldErrors {
  const { addressType, endpoints, ports } = slice;
  const names = new Set<string>();
  const errors = oneOf("addressType", addressType, ["FQDN", "IPv4", "IPv6"]);
  errors.push(
    ...each("endpoints", endpoints, ({ addresses, nodeName }, path) => [
      ...(addresses?.length ? [] : [required(child(path, "addresses"), "must contain at least 1 address")]),
      ...each(child(path, "addresses"), addresses, (address, where) =>
        addressType === "FQDN" ? invalidEach(where, address, isDnsSubdomain(address)) : checkEndpointIp(address, where),
      ),
      ...(nodeName ? invalidEach(child(path, "nodeName"), nodeName, isDnsSubdomain(nodeName)) : []),
    ]),
  );
  errors.push(
    ...each("ports", ports, ({ name = "", protocol }, path) => {
      const found = name ? invalidEach(child(path, "name"), name, isDnsLabel(name)) : [];
      if (names.has(name)) found.push(duplicate(child(path, "name"), name));
      names.add(name);
      return [...found, ...oneOf(child(path, "protocol"), protocol, PROTOCOLS)];
    }),
  );
  return errors;
}

export function checkEndpointSliceUpdate(slice: EndpointSlice, old: EndpointSlice): FieldErrors {
  return slice.addressType === old.addressType ? [] : [invalid("addressType", slice.addressType, "field is immutable")];
}
