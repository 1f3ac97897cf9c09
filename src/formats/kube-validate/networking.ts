import {
  isCidr,
  isDns1035Label,
  isDnsSubdomain,
  isIpAddress,
  isPortName,
  isPortNumber,
  isWildcardSubdomain,
} from "../kube-names.ts";
import type {
  HTTPIngressPath,
  Ingress,
  IngressBackend,
  IngressClass,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
} from "../kube-types.generated.ts";
import {
  child,
  each,
  forbidden,
  invalid,
  invalidEach,
  notSupported,
  oneOf,
  required,
  type FieldErrors,
} from "./errors.ts";
import { checkSelector, IMMUTABLE } from "./meta.ts";

export function checkNetworkPolicy({ spec }: NetworkPolicy): FieldErrors {
  const errors = checkSelector(spec?.podSelector, "spec.podSelector");
  errors.push(
    ...each("spec.ingress", spec?.ingress, (rule, path) => [
      ...each(child(path, "ports"), rule.ports, checkPolicyPort),
      ...each(child(path, "from"), rule.from, checkPeer),
    ]),
  );
  errors.push(
    ...each("spec.egress", spec?.egress, (rule, path) => [
      ...each(child(path, "ports"), rule.ports, checkPolicyPort),
      ...each(child(path, "to"), rule.to, checkPeer),
    ]),
  );
  const types = spec?.policyTypes ?? [];
  if (types.length > 2) errors.push(invalid("spec.policyTypes", types, "may not specify more than two policyTypes"));
  else errors.push(...each("spec.policyTypes", types, (type, path) => oneOf(path, type, ["Egress", "Ingress"])));
  return errors;
}

function checkPolicyPort({ protocol, port, endPort }: NetworkPolicyPort, path: string): FieldErrors {
  const errors = oneOf(child(path, "protocol"), protocol, ["SCTP", "TCP", "UDP"]);
  if (typeof port === "number") errors.push(...invalidEach(child(path, "port"), port, isPortNumber(port)));
  if (typeof port === "string") errors.push(...invalidEach(child(path, "port"), port, isPortName(port)));
  if (endPort === undefined) return errors;
  const where = child(path, "endPort");
  if (port === undefined) errors.push(required(where, "may not be specified when `port` is not specified"));
  else if (typeof port === "string") errors.push(required(where, "may not be specified when `port` is non-numeric"));
  else if (endPort < port) errors.push(invalid(where, endPort, "must be greater than or equal to `port`"));
  return [...errors, ...invalidEach(where, endPort, isPortNumber(endPort))];
}

function checkPeer({ podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer, path: string): FieldErrors {
  const errors = [
    ...checkSelector(podSelector, child(path, "podSelector")),
    ...checkSelector(namespaceSelector, child(path, "namespaceSelector")),
  ];
  if (!podSelector && !namespaceSelector && !ipBlock) return [...errors, required(path, "must specify a peer")];
  if (!ipBlock) return errors;
  if (podSelector || namespaceSelector) errors.push(forbidden(path, "may not specify both ipBlock and another peer"));
  const where = child(path, "ipBlock");
  errors.push(
    ...(ipBlock.cidr
      ? invalidEach(child(where, "cidr"), ipBlock.cidr, isCidr(ipBlock.cidr))
      : [required(child(where, "cidr"))]),
  );
  return [
    ...errors,
    ...each(child(where, "except"), ipBlock.except, (cidr, at) => invalidEach(at, cidr, isCidr(cidr))),
  ];
}

export function checkIngress({ spec }: Ingress): FieldErrors {
  const errors: FieldErrors = [];
  const { ingressClassName, defaultBackend, rules, tls } = spec ?? {};
  if (!rules?.length && !defaultBackend)
    errors.push(invalid("spec", rules ?? [], "either `defaultBackend` or `rules` must be specified"));
  if (defaultBackend) errors.push(...checkBackend(defaultBackend, "spec.defaultBackend"));
  errors.push(
    ...each("spec.rules", rules, ({ host, http }, path) => {
      const found: FieldErrors = [];
      if (host && isIpAddress(host).length === 0)
        found.push(invalid(child(path, "host"), host, "must be a DNS name, not an IP address"));
      else if (host)
        found.push(
          ...invalidEach(
            child(path, "host"),
            host,
            host.includes("*") ? isWildcardSubdomain(host) : isDnsSubdomain(host),
          ),
        );
      if (!http) return found;
      const paths = child(path, "http", "paths");
      return [...found, ...(http.paths.length > 0 ? each(paths, http.paths, checkPath) : [required(paths)])];
    }),
  );
  errors.push(
    ...each("spec.tls", tls, ({ hosts, secretName }, path) => [
      ...each(child(path, "hosts"), hosts, (host, where) =>
        invalidEach(where, host, host.includes("*") ? isWildcardSubdomain(host) : isDnsSubdomain(host)),
      ),
      ...(secretName ? invalidEach(child(path, "secretName"), secretName, isDnsSubdomain(secretName)) : []),
    ]),
  );
  if (ingressClassName !== undefined)
    errors.push(...invalidEach("spec.ingressClassName", ingressClassName, isDnsSubdomain(ingressClassName)));
  return errors;
}

const BAD_SEQUENCES = ["//", "/./", "/../", "%2f", "%2F"];
const BAD_SUFFIXES = ["/..", "/."];

function checkPath({ path: url = "", pathType, backend }: HTTPIngressPath, path: string): FieldErrors {
  const where = child(path, "path");
  const errors: FieldErrors = [];
  if (pathType === undefined || (pathType as string) === "")
    errors.push(required(child(path, "pathType"), "pathType must be specified"));
  else if (pathType === "Exact" || pathType === "Prefix") {
    if (!url.startsWith("/")) errors.push(invalid(where, url, "must be an absolute path"));
    for (const piece of BAD_SEQUENCES)
      if (url.includes(piece)) errors.push(invalid(where, url, `must not contain '${piece}'`));
    for (const suffix of BAD_SUFFIXES)
      if (url.endsWith(suffix)) errors.push(invalid(where, url, `cannot end with '${suffix}'`));
  } else if (pathType !== "ImplementationSpecific") {
    errors.push(notSupported(child(path, "pathType"), pathType, ["Exact", "ImplementationSpecific", "Prefix"]));
  } else if (url !== "" && !url.startsWith("/")) errors.push(invalid(where, url, "must be an absolute path"));
  return [...errors, ...checkBackend(backend, child(path, "backend"))];
}

function checkBackend({ service, resource }: IngressBackend, path: string): FieldErrors {
  if (resource && service) return [invalid(path, "", "cannot set both resource and service backends")];
  if (resource)
    return [
      ...(resource.kind ? [] : [required(child(path, "resource", "kind"))]),
      ...(resource.name ? [] : [required(child(path, "resource", "name"))]),
    ];
  if (!service) return [required(path, "port name or number is required")];
  const errors = service.name
    ? invalidEach(child(path, "service", "name"), service.name, isDns1035Label(service.name))
    : [required(child(path, "service", "name"))];
  const { name, number } = service.port ?? {};
  const where = child(path, "service", "port");
  if (name && number) errors.push(invalid(where, "", "cannot set both port name & port number"));
  else if (name) errors.push(...invalidEach(child(where, "name"), name, isPortName(name)));
  else if (number) errors.push(...invalidEach(child(where, "number"), number, isPortNumber(number)));
  else errors.push(required(where, "port name or number is required"));
  return errors;
}

export function checkIngressClass({ spec }: IngressClass): FieldErrors {
  const errors: FieldErrors = [];
  const { controller = "", parameters } = spec ?? {};
  if (controller.length > 250) errors.push(invalid("spec.controller", controller, "may not be more than 250 bytes"));
  if (controller !== "") errors.push(...invalidEach("spec.controller", controller, domainPath(controller)));
  else errors.push(required("spec.controller"));
  if (!parameters) return errors;
  if (!parameters.kind) errors.push(required("spec.parameters.kind", "kind is required"));
  if (!parameters.name) errors.push(required("spec.parameters.name", "name is required"));
  if (parameters.scope === "Namespace" && !parameters.namespace)
    errors.push(required("spec.parameters.namespace", "`parameters.scope` is set to 'Namespace'"));
  if (parameters.scope === "Cluster" && parameters.namespace)
    errors.push(forbidden("spec.parameters.namespace", "`parameters.scope` is set to 'Cluster'"));
  return errors;
}

function domainPath(text: string): string[] {
  const slash = text.indexOf("/");
  if (slash <= 0 || slash === text.length - 1) return ['must be a domain-prefixed path (such as "acme.io/foo")'];
  return isDnsSubdomain(text.slice(0, slash));
}

export function checkIngressClassUpdate(object: IngressClass, old: IngressClass): FieldErrors {
  return object.spec?.controller === old.spec?.controller
    ? []
    : [invalid("spec.controller", object.spec?.controller, IMMUTABLE)];
}
