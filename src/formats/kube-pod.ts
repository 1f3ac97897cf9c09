// What a pod asks for and how it stands: arithmetic that scheduler, kubelet, quota and printers share.
// After k8s.io/component-helpers/resource and k8s.io/kubernetes/pkg/apis/core/v1/helper/qos.
import { addQuantity, compareQuantity, formatQuantity, parseQuantity, type Quantity } from "./quantity.ts";
import type { Container, Pod, PodCondition, PodSpec, PodStatus } from "./kube-types.generated.ts";

/** Amounts by resource name. */
export type ResourceAmounts = Map<string, Quantity>;
export type ResourceList = Readonly<Record<string, string>>;
export type QosClass = "Guaranteed" | "Burstable" | "BestEffort";

type Kind = "requests" | "limits";

/** Reads a ResourceList. Throws `invalid` for malformed quantities. */
export function readResources(list: ResourceList | undefined): ResourceAmounts {
  const amounts: ResourceAmounts = new Map();
  for (const [name, text] of Object.entries(list ?? {})) amounts.set(name, parseQuantity(text));
  return amounts;
}

/** The amounts as a ResourceList document. */
export function writeResources(amounts: ResourceAmounts): Record<string, string> {
  return Object.fromEntries(Array.from(amounts, ([name, amount]) => [name, formatQuantity(amount)]));
}

function addTo(sum: ResourceAmounts, more: ResourceAmounts): void {
  for (const [name, amount] of more) {
    const before = sum.get(name);
    sum.set(name, before ? addQuantity(before, amount) : amount);
  }
}

function raiseTo(most: ResourceAmounts, other: ResourceAmounts): void {
  for (const [name, amount] of other) {
    const before = most.get(name);
    if (!before || compareQuantity(amount, before) > 0) most.set(name, amount);
  }
}

/** An init container that keeps running beside the others. */
export function isSidecar(container: Container): boolean {
  return container.restartPolicy === "Always";
}

/**
 * What the containers need together: regular ones and sidecars at the same time, or the largest init container with the
 * sidecars started before it, whichever is more.
 */
export function containerResources(spec: PodSpec, kind: Kind): ResourceAmounts {
  const sum: ResourceAmounts = new Map();
  for (const container of spec.containers) addTo(sum, readResources(container.resources?.[kind]));
  const sidecars: ResourceAmounts = new Map();
  const init: ResourceAmounts = new Map();
  for (const container of spec.initContainers ?? []) {
    const own = readResources(container.resources?.[kind]);
    if (isSidecar(container)) {
      addTo(sum, own);
      addTo(sidecars, own);
      raiseTo(init, sidecars);
    } else {
      const running = new Map(sidecars);
      addTo(running, own);
      raiseTo(init, running);
    }
  }
  raiseTo(sum, init);
  return sum;
}

/** CPU, memory and huge pages can be given for the pod as a whole. */
export function isPodLevelResource(name: string): boolean {
  return name === "cpu" || name === "memory" || name.startsWith("hugepages-");
}

/** What the scheduler counts for a pod: containers, or the pod's own requests where it has them, and overhead. */
export function podRequests(spec: PodSpec): ResourceAmounts {
  const sum = withPodLevel(containerResources(spec, "requests"), spec, "requests");
  addTo(sum, readResources(spec.overhead));
  return sum;
}

/** A pod's limits: as podRequests; overhead raises only limits that there are. */
export function podLimits(spec: PodSpec): ResourceAmounts {
  const sum = withPodLevel(containerResources(spec, "limits"), spec, "limits");
  for (const [name, amount] of readResources(spec.overhead)) {
    const limit = sum.get(name);
    if (limit) sum.set(name, addQuantity(limit, amount));
  }
  return sum;
}

function withPodLevel(sum: ResourceAmounts, spec: PodSpec, kind: Kind): ResourceAmounts {
  for (const [name, amount] of readResources(spec.resources?.[kind]))
    if (isPodLevelResource(name)) sum.set(name, amount);
  return sum;
}

/** The pod's quality of service class, from CPU and memory. */
export function qosClass(spec: PodSpec): QosClass {
  const podLevel = spec.resources && (hasAny(spec.resources.requests) || hasAny(spec.resources.limits));
  const parts = podLevel
    ? [spec.resources]
    : [...spec.containers, ...(spec.initContainers ?? [])].map(({ resources }) => resources);
  const requests: ResourceAmounts = new Map();
  const limits: ResourceAmounts = new Map();
  let guaranteed = true;
  for (const part of parts) {
    addTo(requests, computeResources(part?.requests));
    const own = computeResources(part?.limits);
    addTo(limits, own);
    if (!own.has("cpu") || !own.has("memory")) guaranteed = false;
  }
  if (requests.size === 0 && limits.size === 0) return "BestEffort";
  const equal = Array.from(requests).every(([name, amount]) => {
    const limit = limits.get(name);
    return limit !== undefined && compareQuantity(limit, amount) === 0;
  });
  return guaranteed && equal && requests.size === limits.size ? "Guaranteed" : "Burstable";
}

function hasAny(list: ResourceList | undefined): boolean {
  return Object.keys(list ?? {}).length > 0;
}

function computeResources(list: ResourceList | undefined): ResourceAmounts {
  const amounts = readResources(list);
  for (const [name, amount] of amounts) {
    if ((name !== "cpu" && name !== "memory") || amount.nanos <= 0n) amounts.delete(name);
  }
  return amounts;
}

/** The condition of that type. */
export function podCondition(status: PodStatus | undefined, type: string): PodCondition | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}

export function isPodReady(pod: Pod): boolean {
  return podCondition(pod.status, "Ready")?.status === "True";
}

/** Succeeded or failed: it will never run again. */
export function isPodTerminal(pod: Pod): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

/** Ready, and for at least `minReadySeconds` at `now` (epoch milliseconds). */
export function isPodAvailable(pod: Pod, minReadySeconds: number, now: number): boolean {
  if (!isPodReady(pod)) return false;
  const since = podCondition(pod.status, "Ready")?.lastTransitionTime;
  return minReadySeconds === 0 || (since !== undefined && Date.parse(since) + minReadySeconds * 1000 <= now);
}

/** The container port that a service's or probe's target port means; undefined when no container has a port of that name. */
export function findPort(spec: PodSpec, port: number | string, protocol = "TCP"): number | undefined {
  if (typeof port === "number") return port;
  for (const container of [...spec.containers, ...(spec.initContainers ?? []).filter(isSidecar)]) {
    for (const declared of container.ports ?? []) {
      if (declared.name === port && (declared.protocol ?? "TCP") === protocol) return declared.containerPort;
    }
  }
  return undefined;
}
