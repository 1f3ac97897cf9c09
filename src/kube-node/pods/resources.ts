import { isPodLevelResource, podLimits, podRequests, qosClass } from "#formats/kube-pod.ts";
import { milliValue, quantityMillis, quantityNumber, quantityValue, type Quantity } from "#formats/quantity.ts";
import type { OciResources } from "#formats/oci-spec.ts";
import type { Pod, PodSpec, ResourceRequirements } from "#formats/kube-types.generated.ts";

/** CFS period in microseconds: the kubelet's default. */
const CPU_PERIOD_MICROS = 100_000;
const SMALLEST_QUOTA_MICROS = 1_000;
const SMALLEST_SHARES = 2;
const LARGEST_SHARES = 262_144;
/** Takes a limit away. */
const UNLIMITED = -1;

/** Pure: a container's requests and limits as cgroup settings (kubelet's kuberuntime_container_linux.go). */
export function containerResources(
  resources: ResourceRequirements | undefined,
  { limitsHugePages }: { readonly limitsHugePages: boolean } = { limitsHugePages: false },
): OciResources {
  const { requests, limits } = resources ?? {};
  const requested = quantityMillis(requests?.["cpu"] ?? limits?.["cpu"]);
  const quota = quantityMillis(limits?.["cpu"]);
  const memory = quantityNumber(limits?.["memory"]);
  return {
    cpu: { shares: cpuShares(requested), ...(quota > 0 ? { quota: cpuQuota(quota), period: CPU_PERIOD_MICROS } : {}) },
    // Pods get no swap unless the node is told otherwise (NoSwap): memory plus swap equals memory.
    ...(memory > 0 ? { memory: { limit: memory, swap: memory } } : {}),
    ...(limitsHugePages ? hugePageLimits(limits) : {}),
  };
}

/** Where huge pages are asked for: so many of each size, named as the cgroup files are (`2MB`, `1GB`). */
function hugePageLimits(limits: Readonly<Record<string, string>> | undefined): Pick<OciResources, "hugepageLimits"> {
  const hugepageLimits = Object.entries(limits ?? {}).flatMap(([name, quantity]) => {
    const size = /^hugepages-(\d+)(Ki|Mi|Gi)$/.exec(name);
    return size
      ? [{ pageSize: `${size[1]}${(size[2] ?? "").replace("i", "B")}`, limit: quantityNumber(quantity) }]
      : [];
  });
  return hugepageLimits.length > 0 ? { hugepageLimits } : {};
}

/** Pure: the same settings for what runs already: a limit that is not there is taken away. */
export function unlimited({ cpu, memory }: OciResources): OciResources {
  return {
    cpu: { quota: UNLIMITED, period: CPU_PERIOD_MICROS, ...cpu },
    memory: memory ?? { limit: UNLIMITED, swap: UNLIMITED },
  };
}

/**
 * Pure: the pod's own cgroup (kubelet's ResourceConfigForPod): what the scheduler counts for it, and limits only where the pod or every
 * container has one.
 */
export function podResources({ spec }: Pod): OciResources {
  if (!spec || qosClass(spec) === "BestEffort") return { cpu: { shares: SMALLEST_SHARES } };
  const requests = podRequests(spec);
  const limits = podLimits(spec);
  const shares = cpuShares(millis(requests.get("cpu")));
  const quota = isLimited(spec, "cpu") ? millis(limits.get("cpu")) : 0;
  const memory = isLimited(spec, "memory") ? bytes(limits.get("memory")) : 0;
  return {
    cpu: { shares, ...(quota > 0 ? { quota: cpuQuota(quota), period: CPU_PERIOD_MICROS } : {}) },
    ...(memory > 0 ? { memory: { limit: memory } } : {}),
  };
}

function isLimited(spec: PodSpec, name: "cpu" | "memory"): boolean {
  if (isPodLevelResource(name) && quantityMillis(spec.resources?.limits?.[name]) > 0) return true;
  return [...spec.containers, ...(spec.initContainers ?? [])].every(
    ({ resources }) => quantityMillis(resources?.limits?.[name]) > 0,
  );
}

function millis(quantity: Quantity | undefined): number {
  return quantity ? Number(milliValue(quantity)) : 0;
}

function bytes(quantity: Quantity | undefined): number {
  return quantity ? Number(quantityValue(quantity)) : 0;
}

function cpuShares(cpuMillis: number): number {
  return Math.min(LARGEST_SHARES, Math.max(SMALLEST_SHARES, Math.floor((cpuMillis * 1024) / 1000)));
}

function cpuQuota(cpuMillis: number): number {
  return Math.max(SMALLEST_QUOTA_MICROS, Math.floor((cpuMillis * CPU_PERIOD_MICROS) / 1000));
}
