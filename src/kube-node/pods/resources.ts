import { quantityMillis, quantityNumber } from "#formats/quantity.ts";
import type { OciResources } from "#formats/oci-spec.ts";
import type { Container, Pod, ResourceRequirements } from "#formats/kube-types.generated.ts";

/** CFS period in microseconds: the kubelet's default. */
const CPU_PERIOD_MICROS = 100_000;
const SMALLEST_QUOTA_MICROS = 1_000;
const SMALLEST_SHARES = 2;

type List = Record<string, string> | undefined;

/** The list's CPU in thousandths of a core; 0 when absent. */
export function cpuMillis(list: List): number {
  return quantityMillis(list?.["cpu"]);
}

/** The list's memory in bytes; 0 when absent. */
export function memoryBytes(list: List): number {
  return quantityNumber(list?.["memory"]);
}

/** Pure: a container's requests and limits as cgroup settings (kubelet's kuberuntime_container_linux.go). */
export function containerResources(resources: ResourceRequirements | undefined): OciResources {
  const { requests, limits } = resources ?? {};
  const requested = requests?.["cpu"] !== undefined ? cpuMillis(requests) : cpuMillis(limits);
  const quota = cpuMillis(limits);
  const memory = memoryBytes(limits);
  return {
    cpu: { shares: cpuShares(requested), ...(quota > 0 ? { quota: cpuQuota(quota), period: CPU_PERIOD_MICROS } : {}) },
    // Pods get no swap unless the node is told otherwise (NoSwap): memory plus swap equals memory.
    ...(memory > 0 ? { memory: { limit: memory, swap: memory } } : {}),
  };
}

/** Pure: the pod's own cgroup: the sum of its containers; limits only where every container has one. */
export function podResources(pod: Pod): OciResources {
  if (pod.spec?.resources) return containerResources(pod.spec.resources);
  const containers: readonly Container[] = pod.spec?.containers ?? [];
  const sum = (of: (container: Container) => number): number =>
    containers.reduce((total, container) => total + of(container), 0);
  const limited = (of: (container: Container) => number): number =>
    containers.every((container) => of(container) > 0) ? sum(of) : 0;
  const shares = cpuShares(
    sum((container) => cpuMillis(container.resources?.requests) || cpuMillis(container.resources?.limits)),
  );
  const quota = limited((container) => cpuMillis(container.resources?.limits));
  const memory = limited((container) => memoryBytes(container.resources?.limits));
  return {
    cpu: { shares, ...(quota > 0 ? { quota: cpuQuota(quota), period: CPU_PERIOD_MICROS } : {}) },
    ...(memory > 0 ? { memory: { limit: memory } } : {}),
  };
}

function cpuShares(millis: number): number {
  return Math.max(SMALLEST_SHARES, Math.floor((millis * 1024) / 1000));
}

function cpuQuota(millis: number): number {
  return Math.max(SMALLEST_QUOTA_MICROS, Math.floor((millis * CPU_PERIOD_MICROS) / 1000));
}
