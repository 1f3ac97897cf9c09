import { podRequests } from "#formats/kube-pod.ts";
import { compareQuantity, milliValue, parseQuantity, quantityValue } from "#formats/quantity.ts";
import type { Container, Pod, ResourceRequirements } from "#formats/kube-types.generated.ts";
import type { OciResources } from "#formats/oci-spec.ts";
import { appliedResources } from "./labels.ts";
import { isRunning, type ObservedPod } from "./observed.ts";
import { podResources, unlimited } from "./resources.ts";
import type { ResizeState } from "./status-inputs.ts";

/** How a running container gets its new resources: not at all, while it runs, or by being started again. */
export type ResizeWay = "none" | "live" | "restart";

const RESIZABLE = ["cpu", "memory"] as const;

/** Pure: what a container needs for what its document asks now, against what it was given. */
export function resizeWay(container: Container, applied: ResourceRequirements | undefined): ResizeWay {
  if (!applied) return "none";
  const changed = RESIZABLE.filter((name) => differs(container.resources, applied, name));
  if (changed.length === 0) return "none";
  const restarts = changed.some((name) =>
    container.resizePolicy?.some(
      ({ resourceName, restartPolicy }) => resourceName === name && restartPolicy === "RestartContainer",
    ),
  );
  return restarts ? "restart" : "live";
}

function differs(wanted: ResourceRequirements | undefined, applied: ResourceRequirements, name: string): boolean {
  return (["requests", "limits"] as const).some((list) => {
    const [a, b] = [wanted?.[list]?.[name], applied[list]?.[name]];
    if (a === undefined || b === undefined) return a !== b;
    return compareQuantity(parseQuantity(a), parseQuantity(b)) !== 0;
  });
}

/** Amounts that pods are counted by. */
export interface Amounts {
  readonly cpuMillis: number;
  readonly memoryBytes: number;
}

/** Pure: what the scheduler counts for a pod. */
export function requestsOf({ spec }: Pod): Amounts {
  if (!spec) return { cpuMillis: 0, memoryBytes: 0 };
  const requests = podRequests(spec);
  const [cpu, memory] = [requests.get("cpu"), requests.get("memory")];
  return {
    cpuMillis: cpu ? Number(milliValue(cpu)) : 0,
    memoryBytes: memory ? Number(quantityValue(memory)) : 0,
  };
}

/** Pure: why the node does not grant a pod its new requests (kubelet's allocation manager); undefined when it does. */
export function resizeHindrance(pod: Pod, others: Amounts, capacity: Amounts): ResizeState | undefined {
  const wanted = requestsOf(pod);
  const rows = [
    ["cpu", wanted.cpuMillis, others.cpuMillis, capacity.cpuMillis],
    ["memory", wanted.memoryBytes, others.memoryBytes, capacity.memoryBytes],
  ] as const;
  for (const [name, requested, , total] of rows)
    if (requested > total)
      return {
        kind: "pending",
        reason: "Infeasible",
        message: `Node didn't have enough capacity: ${name}, requested: ${requested}, capacity: ${total}`,
      };
  for (const [name, requested, used, total] of rows)
    if (requested + used > total)
      return {
        kind: "pending",
        reason: "Deferred",
        message: `Node didn't have enough resource: ${name}, requested: ${requested}, used: ${used}, capacity: ${total}`,
      };
  return undefined;
}

/** Pure: the running containers that have not what they ask for. */
export function resizesOf(pod: Pod, observed: ObservedPod): ReadonlyMap<string, Exclude<ResizeWay, "none">> {
  const ways = new Map<string, Exclude<ResizeWay, "none">>();
  for (const container of [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])]) {
    const found = observed.current.get(container.name);
    if (!found || !isRunning(found)) continue;
    const way = resizeWay(container, appliedResources(found));
    if (way !== "none") ways.set(container.name, way);
  }
  return ways;
}

/**
 * Pure: settings of the pod's own cgroup before its containers change, and after: it is never tighter than what is in it, which the
 * kernel would refuse.
 */
export function podCgroupSteps(pod: Pod, observed: ObservedPod): { before: OciResources; after: OciResources } {
  const after = unlimited(podResources(pod));
  const was = unlimited(podResources(withApplied(pod, observed)));
  const wider = (a: number | undefined, b: number | undefined): number =>
    a === undefined || b === undefined || a < 0 || b < 0 ? -1 : Math.max(a, b);
  return {
    after,
    before: {
      cpu: { ...after.cpu, quota: wider(was.cpu?.quota, after.cpu?.quota) },
      memory: { limit: wider(was.memory?.limit, after.memory?.limit) },
    },
  };
}

function withApplied(pod: Pod, observed: ObservedPod): Pod {
  if (!pod.spec) return pod;
  const given = (container: Container): Container => {
    const found = observed.current.get(container.name);
    const resources = found && appliedResources(found);
    return resources ? { ...container, resources } : container;
  };
  return { ...pod, spec: { ...pod.spec, containers: pod.spec.containers.map(given) } };
}
