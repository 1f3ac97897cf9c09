import { isSidecar, qosClass as classOf, type QosClass } from "#formats/kube-pod.ts";
import { quantityNumber } from "#formats/quantity.ts";
import type { Container, Pod } from "#formats/kube-types.generated.ts";

/** The pod's quality of service class. */
export function qosClass({ spec }: Pod): QosClass {
  return classOf(spec ?? { containers: [] });
}

/** Directory of the pod's cgroup below each controller's root. */
export function podCgroup(pod: Pod): string {
  const qos = qosClass(pod);
  const parent = qos === "Guaranteed" ? "/kubepods" : `/kubepods/${qos.toLowerCase()}`;
  return `${parent}/pod${pod.metadata.uid}`;
}

const GUARANTEED = -997;
const BEST_EFFORT = 1000;

/**
 * How readily the kernel kills a container when memory is short (kubelet's pkg/kubelet/qos/policy.go): guaranteed -997,
 * best effort 1000, burstable between 3 and 999 by its share of the node's memory; a sidecar no sooner than those it serves.
 */
export function oomScoreAdj(pod: Pod, container: Container, nodeMemoryBytes: number): number {
  const qos = qosClass(pod);
  if (pod.spec?.priorityClassName === "system-node-critical" || qos === "Guaranteed") return GUARANTEED;
  if (qos === "BestEffort") return BEST_EFFORT;
  const containers = pod.spec?.containers ?? [];
  const spareBytes = sharedRequest(pod);
  const score = ({ resources }: Container): number => {
    const bytes = quantityNumber(resources?.requests?.["memory"]) + spareBytes;
    return 1000 - Math.floor((1000 * bytes) / nodeMemoryBytes);
  };
  const own = score(container);
  const adjust = isSidecar(container) ? Math.min(own, ...containers.map(score)) : own;
  return Math.min(BEST_EFFORT - 1, Math.max(1000 + GUARANTEED, adjust));
}

/** What a request of the pod as a whole leaves, beyond its containers' own, for each of them. */
function sharedRequest({ spec }: Pod): number {
  const podLevel = quantityNumber(spec?.resources?.requests?.["memory"]);
  const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? []).filter(isSidecar)];
  if (podLevel === 0 || containers.length === 0) return 0;
  const own = containers.reduce((sum, { resources }) => sum + quantityNumber(resources?.requests?.["memory"]), 0);
  return Math.max(0, (podLevel - own) / containers.length);
}
