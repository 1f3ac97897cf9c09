// What an object counts against quotas (k8s.io/kubernetes pkg/quota/v1/evaluator/core).
import type { KubeObject } from "#formats/kube-object.ts";
import { isPodTerminal, podLimits, podRequests, qosClass } from "#formats/kube-pod.ts";
import { addQuantity, parseQuantity, quantityOf, type Quantity } from "#formats/quantity.ts";
import type {
  PersistentVolumeClaim,
  Pod,
  PodSpec,
  ResourceQuota,
  ScopedResourceSelectorRequirement,
  Service,
} from "#formats/kube-types.generated.ts";

export type Usage = Map<string, Quantity>;

const ONE = quantityOf(1);

/** Resources of the store that quotas can count, by `resource` or `resource.group`. */
export const COUNTED: readonly string[] = [
  "pods",
  "services",
  "persistentvolumeclaims",
  "configmaps",
  "secrets",
  "replicationcontrollers",
  "resourcequotas",
  "deployments.apps",
  "replicasets.apps",
  "statefulsets.apps",
  "jobs.batch",
  "cronjobs.batch",
  "ingresses.networking.k8s.io",
];

/** Names that a plain count has besides `count/RESOURCE`. */
const SHORT = new Set([
  "services",
  "configmaps",
  "secrets",
  "replicationcontrollers",
  "resourcequotas",
  "persistentvolumeclaims",
]);

export function usageOf(resource: string, object: KubeObject): Usage {
  const usage: Usage = new Map([[`count/${resource}`, ONE]]);
  if (SHORT.has(resource)) usage.set(resource, ONE);
  if (resource === "pods") addPod(usage, object as Pod & KubeObject);
  if (resource === "services") addService(usage, object as Service);
  if (resource === "persistentvolumeclaims") addClaim(usage, object as PersistentVolumeClaim & KubeObject);
  return usage;
}

/** Pods that have ended use nothing but their place in `count/pods`. */
function addPod(usage: Usage, pod: Pod & KubeObject): void {
  if (isPodTerminal(pod) || !pod.spec) return;
  usage.set("pods", ONE);
  for (const [name, amount] of podRequests(pod.spec)) {
    usage.set(`requests.${name}`, amount);
    if (name === "cpu" || name === "memory" || name === "ephemeral-storage" || name.startsWith("hugepages-"))
      usage.set(name, amount);
  }
  for (const [name, amount] of podLimits(pod.spec)) usage.set(`limits.${name}`, amount);
}

function addService(usage: Usage, { spec }: Service): void {
  const ports = quantityOf(spec?.ports?.length ?? 0);
  if (spec?.type === "NodePort" || (spec?.type === "LoadBalancer" && spec.allocateLoadBalancerNodePorts !== false))
    usage.set("services.nodeports", ports);
  if (spec?.type === "LoadBalancer") usage.set("services.loadbalancers", ONE);
}

function addClaim(usage: Usage, { spec }: PersistentVolumeClaim & KubeObject): void {
  const storage = spec?.resources?.requests?.["storage"];
  if (storage !== undefined) usage.set("requests.storage", parseQuantity(storage));
  const { storageClassName } = spec ?? {};
  if (!storageClassName) return;
  const prefix = `${storageClassName}.storageclass.storage.k8s.io`;
  usage.set(`${prefix}/persistentvolumeclaims`, ONE);
  if (storage !== undefined) usage.set(`${prefix}/requests.storage`, parseQuantity(storage));
}

export function addUsage(sum: Usage, more: Usage): void {
  for (const [name, amount] of more) {
    const before = sum.get(name);
    sum.set(name, before ? addQuantity(before, amount) : amount);
  }
}

/** Whether a quota's scopes take the object in; scopes select pods only. */
export function inScope({ spec }: ResourceQuota, resource: string, object: KubeObject): boolean {
  const scopes = [
    ...(spec?.scopes ?? []).map((scopeName) => ({ scopeName, operator: "Exists", values: [] })),
    ...(spec?.scopeSelector?.matchExpressions ?? []),
  ];
  if (scopes.length === 0) return true;
  const pod = (object as Pod).spec;
  return resource === "pods" && pod !== undefined && scopes.every((scope) => podInScope(pod, scope));
}

function podInScope(spec: PodSpec, { scopeName, operator, values = [] }: ScopedResourceSelectorRequirement): boolean {
  switch (scopeName) {
    case "Terminating":
      return spec.activeDeadlineSeconds !== undefined;
    case "NotTerminating":
      return spec.activeDeadlineSeconds === undefined;
    case "BestEffort":
      return qosClass(spec) === "BestEffort";
    case "NotBestEffort":
      return qosClass(spec) !== "BestEffort";
    case "PriorityClass":
      return priorityMatches(spec.priorityClassName ?? "", operator, values);
    case "CrossNamespacePodAffinity":
      return crossesNamespaces(spec);
    default:
      return false;
  }
}

function priorityMatches(name: string, operator: string, values: readonly string[]): boolean {
  if (operator === "Exists") return name !== "";
  if (operator === "DoesNotExist") return name === "";
  return operator === "In" ? values.includes(name) : !values.includes(name);
}

function crossesNamespaces({ affinity }: PodSpec): boolean {
  const terms = [affinity?.podAffinity, affinity?.podAntiAffinity].flatMap((one) => [
    ...(one?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(one?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(({ podAffinityTerm }) => podAffinityTerm),
  ]);
  return terms.some(
    ({ namespaces, namespaceSelector }) => (namespaces?.length ?? 0) > 0 || namespaceSelector !== undefined,
  );
}
