// What an object uses of a ResourceQuota (pkg/quota/v1/evaluator/core).
import type { KubeObject, Resource } from "./kube-object.ts";
import { parseKubeTime } from "./kube-time.ts";
import type {
  PersistentVolumeClaim,
  Pod,
  ResourceQuota,
  ScopedResourceSelectorRequirement,
  Service,
} from "./kube-types.generated.ts";
import { addQuantity, compareQuantity, parseQuantity, quantityOf, type Quantity } from "./quantity.ts";

/** Amounts by the names that quotas use: `pods`, `requests.cpu`, `count/deployments.apps`. */
export type Usage = Map<string, Quantity>;

const ONE = quantityOf(1);
/** Kinds that have a quota name of their own besides `count/...`. */
const PLAIN_NAMES = [
  "pods",
  "services",
  "persistentvolumeclaims",
  "configmaps",
  "secrets",
  "replicationcontrollers",
  "resourcequotas",
];
/** Resources of pods that can be asked for and limited without a prefix. */
const UNPREFIXED = ["cpu", "memory", "ephemeral-storage"];

/** What one object uses. `nowMs` tells whether a pod that is being deleted is overdue: then it counts no more. */
export function quotaUsage(resource: Resource, object: KubeObject, nowMs: number): Usage {
  const usage: Usage = new Map([[countName(resource), ONE]]);
  if (resource.group !== "") return usage;
  if (resource.resource === "pods") return podUsage(object as Pod, nowMs);
  if (PLAIN_NAMES.includes(resource.resource)) usage.set(resource.resource, ONE);
  if (resource.resource === "services") addService(usage, object as Service);
  if (resource.resource === "persistentvolumeclaims") addClaim(usage, object as PersistentVolumeClaim);
  return usage;
}

/** `count/pods`, `count/deployments.apps`. */
export function countName({ group, resource }: Resource): string {
  return group === "" ? `count/${resource}` : `count/${resource}.${group}`;
}

function podUsage(pod: Pod, nowMs: number): Usage {
  // Ended pods still are objects, but use nothing.
  const usage: Usage = new Map([["count/pods", ONE]]);
  if (!countsAsRunning(pod, nowMs)) return usage;
  usage.set("pods", ONE);
  for (const [name, amount] of podTotals(pod, "requests")) {
    usage.set(`requests.${name}`, amount);
    if (UNPREFIXED.includes(name) || name.startsWith("hugepages-")) usage.set(name, amount);
  }
  for (const [name, amount] of podTotals(pod, "limits")) usage.set(`limits.${name}`, amount);
  return usage;
}

function countsAsRunning({ metadata, status }: Pod, nowMs: number): boolean {
  if (status?.phase === "Succeeded" || status?.phase === "Failed") return false;
  const deletion = parseKubeTime(metadata.deletionTimestamp);
  // deletionTimestamp is when its grace ends.
  return deletion === undefined || deletion > nowMs;
}

/** Sidecars and containers together, or the largest init container with the sidecars before it; pod level amounts in their place. */
function podTotals({ spec }: Pod, kind: "requests" | "limits"): Usage {
  const total: Usage = new Map();
  const sidecars: Usage = new Map();
  const largest: Usage = new Map();
  const of = (list: Readonly<Record<string, string>> | undefined): Usage =>
    new Map(Object.entries(list ?? {}).map(([name, text]) => [name, parseQuantity(text)]));
  for (const { resources } of spec?.containers ?? []) addAll(total, of(resources?.[kind]));
  for (const { resources, restartPolicy } of spec?.initContainers ?? []) {
    const own = of(resources?.[kind]);
    if (restartPolicy === "Always") {
      addAll(total, own);
      addAll(sidecars, own);
      raiseAll(largest, sidecars);
    } else {
      addAll(own, sidecars);
      raiseAll(largest, own);
    }
  }
  raiseAll(total, largest);
  for (const [name, amount] of of(spec?.resources?.[kind])) total.set(name, amount);
  addAll(total, of(spec?.overhead));
  return total;
}

function addService(usage: Usage, { spec }: Service): void {
  const ports = spec?.ports?.length ?? 0;
  const balanced = spec?.type === "LoadBalancer";
  if (balanced) usage.set("services.loadbalancers", ONE);
  if (spec?.type === "NodePort" || (balanced && spec.allocateLoadBalancerNodePorts !== false)) {
    usage.set("services.nodeports", quantityOf(ports));
  }
}

function addClaim(usage: Usage, { spec, status }: PersistentVolumeClaim): void {
  const storage = spec?.resources?.requests?.["storage"];
  const allocated = status?.allocatedResources?.["storage"];
  const requested = storage === undefined ? undefined : parseQuantity(storage);
  const larger = allocated !== undefined && requested && compareQuantity(parseQuantity(allocated), requested) > 0;
  const amount = larger ? parseQuantity(allocated) : requested;
  if (amount) usage.set("requests.storage", amount);
  const prefix = spec?.storageClassName ? `${spec.storageClassName}.storageclass.storage.k8s.io` : undefined;
  if (!prefix) return;
  usage.set(`${prefix}/persistentvolumeclaims`, ONE);
  if (amount) usage.set(`${prefix}/requests.storage`, amount);
}

/** Adds `amounts` to `to`. */
export function addAll(to: Usage, amounts: Usage): void {
  for (const [name, amount] of amounts) {
    const known = to.get(name);
    to.set(name, known ? addQuantity(known, amount) : amount);
  }
}

function raiseAll(to: Usage, amounts: Usage): void {
  for (const [name, amount] of amounts) {
    const known = to.get(name);
    if (!known || compareQuantity(amount, known) > 0) to.set(name, amount);
  }
}

/** Whether the quota's scopes take the object in; without scopes they take every one, and only pods have scopes. */
export function inScopes({ spec }: ResourceQuota, resource: Resource, object: KubeObject): boolean {
  const plain = (spec?.scopes ?? []).map((scopeName): ScopedResourceSelectorRequirement => ({
    scopeName,
    operator: "Exists",
  }));
  const wanted = [...plain, ...(spec?.scopeSelector?.matchExpressions ?? [])];
  if (wanted.length === 0) return true;
  if (resource.group !== "" || resource.resource !== "pods") return false;
  return wanted.every((requirement) => meetsScope(requirement, object as Pod));
}

function meetsScope(
  { scopeName, operator, values = [] }: ScopedResourceSelectorRequirement,
  { spec, status }: Pod,
): boolean {
  switch (scopeName) {
    case "Terminating":
      return (spec?.activeDeadlineSeconds ?? -1) >= 0;
    case "NotTerminating":
      return spec?.activeDeadlineSeconds === undefined;
    case "BestEffort":
      return status?.qosClass === "BestEffort" || (status?.qosClass === undefined && !hasResources(spec));
    case "NotBestEffort":
      return !(status?.qosClass === "BestEffort" || (status?.qosClass === undefined && !hasResources(spec)));
    case "PriorityClass":
      return meetsClass(operator, values, spec?.priorityClassName ?? "");
    case "CrossNamespacePodAffinity":
      return usesOtherNamespaces(spec);
    default:
      return false;
  }
}

function hasResources(spec: Pod["spec"]): boolean {
  const lists = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].flatMap(({ resources }) => [
    resources?.requests,
    resources?.limits,
  ]);
  return lists.some((list) => list && (list["cpu"] !== undefined || list["memory"] !== undefined));
}

function meetsClass(operator: string, values: readonly string[], name: string): boolean {
  switch (operator) {
    case "In":
      return values.includes(name);
    case "NotIn":
      return !values.includes(name);
    case "Exists":
      return name !== "";
    default:
      return name === "";
  }
}

function usesOtherNamespaces(spec: Pod["spec"]): boolean {
  const { podAffinity, podAntiAffinity } = spec?.affinity ?? {};
  const terms = [podAffinity, podAntiAffinity].flatMap((affinity) => [
    ...(affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(({ podAffinityTerm }) => podAffinityTerm),
  ]);
  return terms.some(
    ({ namespaces, namespaceSelector }) => (namespaces?.length ?? 0) > 0 || namespaceSelector !== undefined,
  );
}
