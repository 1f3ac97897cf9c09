// Defaults and bounds of a namespace's LimitRanges (k8s.io/kubernetes plugin/pkg/admission/limitranger).
import type { KubeObject } from "#formats/kube-object.ts";
import { containerResources } from "#formats/kube-pod.ts";
import { compareQuantity, formatQuantity, parseQuantity, quantityMillis } from "#formats/quantity.ts";
import type {
  Container,
  LimitRange,
  LimitRangeItem,
  PersistentVolumeClaim,
  PodSpec,
} from "#formats/kube-types.generated.ts";
import { forbidden } from "../../status.ts";
import type { AdmissionPlugin, Attributes } from "../admission.ts";
import type { Lister } from "../reader.ts";
import { createdPod, type PodObject } from "./pods.ts";

type Amounts = Readonly<Record<string, string>>;

const ANNOTATION = "kubernetes.io/limit-ranger";

export function limitRanger(list: Lister): AdmissionPlugin {
  const limitsOf = async (namespace: string): Promise<LimitRangeItem[]> => {
    const ranges = (await list("limitranges", namespace)) as readonly LimitRange[];
    return ranges.flatMap(({ spec }) => spec?.limits ?? []);
  };
  return {
    name: "LimitRanger",
    async admit(attributes) {
      const pod = createdPod(attributes);
      if (!pod) return;
      for (const limit of await limitsOf(attributes.namespace)) if (limit.type === "Container") setDefaults(pod, limit);
    },
    async validate(attributes) {
      const pod = createdPod(attributes);
      const claim = createdClaim(attributes);
      if (!pod && !claim) return;
      const faults = (await limitsOf(attributes.namespace)).flatMap((limit) =>
        pod ? podFaults(pod.spec, limit) : claimFaults(claim, limit),
      );
      if (faults.length === 0) return;
      const list_ = faults.length === 1 ? faults.join("") : `[${faults.join(", ")}]`;
      throw forbidden(attributes.definition, (pod ?? claim)?.metadata.name ?? "", list_);
    },
  };
}

function createdClaim({
  operation,
  definition,
  subresource,
  object,
}: Attributes): (PersistentVolumeClaim & KubeObject) | undefined {
  const isClaim = definition.group === "" && definition.resource === "persistentvolumeclaims" && subresource === "";
  return isClaim && operation === "CREATE" ? (object as PersistentVolumeClaim & KubeObject) : undefined;
}

function setDefaults(pod: PodObject, limit: LimitRangeItem): void {
  const notes: string[] = [];
  const fill = (container: Container, label: string): void => {
    const resources = container.resources ?? {};
    const requests = { ...resources.requests };
    const limits = { ...resources.limits };
    const requested = fillIn(requests, limit.defaultRequest);
    const limited = fillIn(limits, limit.default);
    if (requested.length > 0) notes.push(`${requested.join(", ")} request for ${label} ${container.name}`);
    if (limited.length > 0) notes.push(`${limited.join(", ")} limit for ${label} ${container.name}`);
    container.resources = {
      ...resources,
      ...(Object.keys(requests).length > 0 ? { requests } : {}),
      ...(Object.keys(limits).length > 0 ? { limits } : {}),
    };
  };
  for (const container of pod.spec.containers) fill(container, "container");
  for (const container of pod.spec.initContainers ?? []) fill(container, "init container");
  if (notes.length === 0) return;
  const before = pod.metadata.annotations ?? {};
  pod.metadata.annotations = { ...before, [ANNOTATION]: `LimitRanger plugin set: ${notes.join("; ")}` };
}

/** Sets what is absent; gives back the names of what it set, in order. */
function fillIn(amounts: Record<string, string>, defaults: Amounts = {}): string[] {
  const set = Object.keys(defaults).filter((name) => amounts[name] === undefined);
  for (const name of set) amounts[name] = defaults[name] ?? "0";
  return set.toSorted();
}

function podFaults(spec: PodSpec, limit: LimitRangeItem): string[] {
  if (limit.type === "Container") {
    const containers = [...spec.containers, ...(spec.initContainers ?? [])];
    return containers.flatMap(({ resources }) => bounds(limit, resources?.requests ?? {}, resources?.limits ?? {}));
  }
  if (limit.type !== "Pod") return [];
  const text = (kind: "requests" | "limits"): Amounts =>
    Object.fromEntries(Array.from(containerResources(spec, kind), ([name, amount]) => [name, formatQuantity(amount)]));
  return bounds(limit, text("requests"), text("limits"));
}

function claimFaults(claim: (PersistentVolumeClaim & KubeObject) | undefined, limit: LimitRangeItem): string[] {
  if (limit.type !== "PersistentVolumeClaim") return [];
  const requests = claim?.spec?.resources?.requests ?? {};
  const least = Object.entries(limit.min ?? {}).flatMap(([name, bound]) =>
    minimum(limit.type, name, bound, requests, {}),
  );
  const most = Object.entries(limit.max ?? {}).flatMap(([name, bound]) => {
    const value = requests[name];
    const rule = `maximum ${name} usage per ${limit.type} is ${bound}`;
    if (value === undefined) return [`${rule}.  No request is specified`];
    return above(value, bound) ? [`${rule}, but request is ${value}`] : [];
  });
  return [...least, ...most];
}

function bounds(
  { type, min = {}, max = {}, maxLimitRequestRatio = {} }: LimitRangeItem,
  requests: Amounts,
  limits: Amounts,
): string[] {
  return [
    ...Object.entries(min).flatMap(([name, bound]) => minimum(type, name, bound, requests, limits)),
    ...Object.entries(max).flatMap(([name, bound]) => maximum(type, name, bound, requests, limits)),
    ...Object.entries(maxLimitRequestRatio).flatMap(([name, bound]) => ratio(type, name, bound, requests, limits)),
  ];
}

function above(value: string, bound: string): boolean {
  return compareQuantity(parseQuantity(value), parseQuantity(bound)) > 0;
}

function minimum(type: string, name: string, bound: string, requests: Amounts, limits: Amounts): string[] {
  const rule = `minimum ${name} usage per ${type} is ${bound}`;
  const { [name]: request } = requests;
  const { [name]: limit } = limits;
  if (request === undefined) return [`${rule}.  No request is specified`];
  if (above(bound, request)) return [`${rule}, but request is ${request}`];
  return limit !== undefined && above(bound, limit) ? [`${rule}, but limit is ${limit}`] : [];
}

function maximum(type: string, name: string, bound: string, requests: Amounts, limits: Amounts): string[] {
  const rule = `maximum ${name} usage per ${type} is ${bound}`;
  const { [name]: request } = requests;
  const { [name]: limit } = limits;
  if (limit === undefined) return [`${rule}.  No limit is specified`];
  if (above(limit, bound)) return [`${rule}, but limit is ${limit}`];
  return request !== undefined && above(request, bound) ? [`${rule}, but request is ${request}`] : [];
}

function ratio(type: string, name: string, bound: string, requests: Amounts, limits: Amounts): string[] {
  const rule = `${name} max limit to request ratio per ${type} is ${bound}`;
  const request = quantityMillis(requests[name]);
  const limit = quantityMillis(limits[name]);
  if (request === 0) return [`${rule}, but no request is specified or request is 0`];
  if (limit === 0) return [`${rule}, but no limit is specified or limit is 0`];
  return limit / request > quantityMillis(bound) / 1000
    ? [`${rule}, but provided ratio is ${(limit / request).toFixed(6)}`]
    : [];
}
