// What the target's pods use, and which of them count (kube-controller-manager's podautoscaler: replica calculator, metrics client).
import { GantryError } from "#base/errors.ts";
import { parseGoDuration } from "#formats/go-duration.ts";
import type { PodMetrics } from "#formats/kube-metrics.ts";
import { parseKubeTime } from "#formats/kube-time.ts";
import type { Container, Pod } from "#formats/kube-types.generated.ts";
import { quantityMillis } from "#formats/quantity.ts";
import { isTerminating, podCondition } from "../shared/pods.ts";

/** Which numbers are meant: of a resource, and of one container if named. */
export interface ResourceOf {
  readonly resource: string;
  readonly container?: string;
}

/** One pod's use, in thousandths of the resource's unit. */
export interface PodUsage {
  readonly millis: number;
  /** When it was measured, and over which time. */
  readonly atMs: number;
  readonly windowMs: number;
}

/** kube-controller-manager's defaults of --horizontal-pod-autoscaler-cpu-initialization-period and -initial-readiness-delay. */
const CPU_INITIALIZATION_MS = 300_000;
const INITIAL_READINESS_MS = 30_000;

/** By pod name. Throws when there is nothing, or the container is not there. */
export function usageByPod(metrics: readonly PodMetrics[], { resource, container }: ResourceOf): Map<string, PodUsage> {
  if (metrics.length === 0) throw new GantryError("unavailable", "no metrics returned from resource metrics API");
  const usage = new Map<string, PodUsage>();
  for (const { metadata, containers, timestamp, window } of metrics) {
    const { name = "", namespace = "" } = metadata;
    const counted = container === undefined ? containers : containers.filter((each) => each.name === container);
    if (container !== undefined && counted.length === 0) {
      throw new GantryError("not-found", `container ${container} not present in metrics for pod ${namespace}/${name}`);
    }
    const amounts = counted.map(({ usage: of }) => (of as unknown as Record<string, string | undefined>)[resource]);
    if (amounts.length === 0 || amounts.includes(undefined)) continue;
    const millis = amounts.reduce((sum, amount) => sum + quantityMillis(amount), 0);
    usage.set(name, { millis, atMs: parseKubeTime(timestamp) ?? 0, windowMs: parseGoDuration(window) });
  }
  return usage;
}

/** Pods by how they count. `usage` holds the ready ones only afterwards. */
export interface PodGroups {
  readonly ready: number;
  /** Pending, or not ready while they start: using nothing when more are asked for. */
  readonly unready: readonly string[];
  /** Running without numbers: using all they ask for when fewer are, nothing when more are. */
  readonly missing: readonly string[];
  readonly usage: ReadonlyMap<string, PodUsage>;
}

export function groupPods(
  pods: readonly Pod[],
  usage: ReadonlyMap<string, PodUsage>,
  resource: string,
  nowMs: number,
): PodGroups {
  const unready: string[] = [];
  const missing: string[] = [];
  const counted = new Map<string, PodUsage>();
  for (const pod of pods) {
    const { name = "" } = pod.metadata;
    if (isTerminating(pod) || pod.status?.phase === "Failed") continue;
    const measured = usage.get(name);
    if (pod.status?.phase === "Pending") unready.push(name);
    else if (!measured) missing.push(name);
    else if (resource === "cpu" && isStarting(pod, measured, nowMs)) unready.push(name);
    else counted.set(name, measured);
  }
  return { ready: counted.size, unready, missing, usage: counted };
}

/** The processor time of a pod that starts says nothing of its later life. */
function isStarting(pod: Pod, measured: PodUsage, nowMs: number): boolean {
  const condition = podCondition(pod, "Ready");
  const startedMs = parseKubeTime(pod.status?.startTime);
  if (!condition || startedMs === undefined) return true;
  const changedMs = parseKubeTime(condition.lastTransitionTime) ?? 0;
  if (startedMs + CPU_INITIALIZATION_MS > nowMs) {
    return condition.status === "False" || measured.atMs < changedMs + measured.windowMs;
  }
  return condition.status === "False" && startedMs + INITIAL_READINESS_MS > changedMs;
}

/** What each pod requests, in thousandths. Throws when a container that counts requests nothing. */
export function requestsByPod(pods: readonly Pod[], of: ResourceOf): Map<string, number> {
  return new Map(pods.map((pod) => [pod.metadata.name ?? "", requestOf(pod, of)]));
}

function requestOf(pod: Pod, { resource, container }: ResourceOf): number {
  const whole = container === undefined ? pod.spec?.resources?.requests?.[resource] : undefined;
  if (whole !== undefined) return quantityMillis(whole);
  const sidecars = (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always");
  const counted = [...(pod.spec?.containers ?? []), ...sidecars].filter(
    ({ name }) => container === undefined || name === container,
  );
  return counted.reduce((sum, each) => sum + requestOfContainer(pod, each, resource), 0);
}

function requestOfContainer(pod: Pod, { name, resources }: Container, resource: string): number {
  const request = resources?.requests?.[resource];
  if (request === undefined) {
    const { name: podName = "" } = pod.metadata;
    throw new GantryError("invalid", `missing request for ${resource} in container ${name} of Pod ${podName}`);
  }
  return quantityMillis(request);
}
