import type { Container, Pod } from "#formats/kube-types.generated.ts";
import { cpuMillis, memoryBytes } from "./resources.ts";

export type QosClass = "Guaranteed" | "Burstable" | "BestEffort";

/** The pod's quality of service class (Kubernetes documentation, "Pod Quality of Service Classes"). */
export function qosClass(pod: Pod): QosClass {
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  const podLevel = pod.spec?.resources;
  if (podLevel && (Object.keys(podLevel.requests ?? {}).length > 0 || Object.keys(podLevel.limits ?? {}).length > 0))
    return classOf([podLevel]);
  return classOf(containers.map((container) => container.resources ?? {}));
}

function classOf(resources: readonly NonNullable<Container["resources"]>[]): QosClass {
  const asks = (list: Record<string, string> | undefined): boolean => cpuMillis(list) > 0 || memoryBytes(list) > 0;
  if (!resources.some(({ requests, limits }) => asks(requests) || asks(limits))) return "BestEffort";
  const guaranteed = resources.every(({ requests, limits }) => {
    const cpu = cpuMillis(limits);
    const memory = memoryBytes(limits);
    if (cpu === 0 || memory === 0) return false;
    return (
      (requests?.["cpu"] === undefined || cpuMillis(requests) === cpu) &&
      (requests?.["memory"] === undefined || memoryBytes(requests) === memory)
    );
  });
  return guaranteed ? "Guaranteed" : "Burstable";
}

/** Directory of the pod's cgroup below each controller's root. */
export function podCgroup(pod: Pod): string {
  const qos = qosClass(pod);
  const parent = qos === "Guaranteed" ? "/kubepods" : `/kubepods/${qos.toLowerCase()}`;
  return `${parent}/pod${pod.metadata.uid}`;
}

/**
 * How readily the kernel kills a container when memory is short (kubelet's pkg/kubelet/qos/policy.go): guaranteed -997,
 * best effort 1000, burstable between 2 and 999 by its share of the node's memory.
 */
export function oomScoreAdj(pod: Pod, container: Container, nodeMemoryBytes: number): number {
  if (pod.spec?.priorityClassName === "system-node-critical" || qosClass(pod) === "Guaranteed") return -997;
  if (qosClass(pod) === "BestEffort") return 1000;
  const adjust = 1000 - Math.floor((1000 * memoryBytes(container.resources?.requests)) / nodeMemoryBytes);
  return Math.min(999, Math.max(2, adjust));
}
