import { parseKubeTime } from "#formats/kube-time.ts";
import type { Pod, PodCondition } from "#formats/kube-types.generated.ts";

/** A pod's condition of a type. */
export function podCondition(pod: Pod, type: string): PodCondition | undefined {
  return pod.status?.conditions?.find((condition) => condition.type === type);
}

export function isReady(pod: Pod): boolean {
  return podCondition(pod, "Ready")?.status === "True";
}

/** Neither finished nor being deleted. */
export function isActive(pod: Pod): boolean {
  return !isFinished(pod) && !isTerminating(pod);
}

export function isFinished(pod: Pod): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

export function isTerminating(pod: Pod): boolean {
  return pod.metadata.deletionTimestamp !== undefined;
}

/** Since when the pod has been ready, in epoch milliseconds; undefined when it is not. */
export function readySince(pod: Pod): number | undefined {
  const condition = podCondition(pod, "Ready");
  return condition?.status === "True" ? (parseKubeTime(condition.lastTransitionTime) ?? 0) : undefined;
}

/** Milliseconds until a ready pod counts as available: 0 when it does, undefined when it is not ready. */
export function availableInMs(pod: Pod, minReadySeconds: number, nowMs: number): number | undefined {
  const since = readySince(pod);
  if (since === undefined) return undefined;
  if (minReadySeconds === 0) return 0;
  return since === 0 ? undefined : Math.max(0, since + minReadySeconds * 1000 - nowMs);
}

/** Ready for at least `minReadySeconds`. */
export function isAvailable(pod: Pod, minReadySeconds: number, nowMs: number): boolean {
  return availableInMs(pod, minReadySeconds, nowMs) === 0;
}
