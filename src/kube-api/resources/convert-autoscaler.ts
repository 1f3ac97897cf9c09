// HorizontalPodAutoscalers are stored as v2. v1 knows only CPU utilization; what it cannot say travels in annotations
// (k8s.io/kubernetes pkg/apis/autoscaling/v1/conversion.go).
import type { KubeObject } from "#formats/kube-object.ts";

const METRICS = "autoscaling.alpha.kubernetes.io/metrics";
const BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior";
const CURRENT_METRICS = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions";

interface Metric {
  readonly type: string;
  readonly resource?: { readonly name: string; readonly target?: Utilization; readonly current?: Utilization };
}

interface Utilization {
  readonly type?: string;
  readonly averageUtilization?: number;
}

interface V2 extends KubeObject {
  spec?: Record<string, unknown> & { metrics?: Metric[]; behavior?: object };
  status?: Record<string, unknown> & { currentMetrics?: Metric[] | null; conditions?: object[] };
}

interface V1 extends KubeObject {
  spec?: Record<string, unknown> & { targetCPUUtilizationPercentage?: number };
  status?: Record<string, unknown> & { currentCPUUtilizationPercentage?: number };
}

function isCpuUtilization(metric: Metric): boolean {
  return metric.type === "Resource" && metric.resource?.name === "cpu";
}

/** v2 to v1. */
export function autoscalerToV1(object: KubeObject): KubeObject {
  const { spec = {}, status = {}, metadata, ...rest } = object as V2;
  const annotations: Record<string, string> = { ...metadata.annotations };
  const { metrics = [], behavior, ...specRest } = spec;
  const cpu = metrics.find(
    (metric) => isCpuUtilization(metric) && metric.resource?.target?.averageUtilization !== undefined,
  );
  const others = metrics.filter((metric) => metric !== cpu);
  if (others.length > 0) annotations[METRICS] = JSON.stringify(others);
  if (behavior) annotations[BEHAVIOR] = JSON.stringify(behavior);
  const { currentMetrics, conditions, ...statusRest } = status;
  const currentCpu = currentMetrics?.find(isCpuUtilization)?.resource?.current?.averageUtilization;
  const otherCurrent = (currentMetrics ?? []).filter((metric) => !isCpuUtilization(metric));
  if (otherCurrent.length > 0) annotations[CURRENT_METRICS] = JSON.stringify(otherCurrent);
  if (conditions) annotations[CONDITIONS] = JSON.stringify(conditions);
  const target = cpu?.resource?.target?.averageUtilization;
  return {
    ...rest,
    apiVersion: "autoscaling/v1",
    metadata: { ...metadata, ...(Object.keys(annotations).length > 0 ? { annotations } : {}) },
    spec: { ...specRest, ...(target === undefined ? {} : { targetCPUUtilizationPercentage: target }) },
    status: {
      currentReplicas: 0,
      ...statusRest,
      ...(currentCpu === undefined ? {} : { currentCPUUtilizationPercentage: currentCpu }),
    },
  } as KubeObject;
}

/** v1 to v2. */
export function autoscalerFromV1(object: KubeObject): KubeObject {
  const { spec = {}, status, metadata, ...rest } = object as V1;
  const { [METRICS]: metricsText, [BEHAVIOR]: behaviorText, ...afterSpec } = metadata.annotations ?? {};
  const { [CURRENT_METRICS]: currentText, [CONDITIONS]: conditionsText, ...annotations } = afterSpec;
  const { targetCPUUtilizationPercentage: target, ...specRest } = spec;
  const { currentCPUUtilizationPercentage: currentCpu, ...statusRest } = status ?? {};
  const metrics = parsed<Metric[]>(metricsText) ?? [];
  if (target !== undefined) {
    metrics.unshift({
      type: "Resource",
      resource: { name: "cpu", target: { type: "Utilization", averageUtilization: target } },
    });
  }
  const current = parsed<object[]>(currentText) ?? [];
  if (currentCpu !== undefined) {
    current.unshift({ type: "Resource", resource: { name: "cpu", current: { averageUtilization: currentCpu } } });
  }
  const behavior = parsed<object>(behaviorText);
  const conditions = parsed<object[]>(conditionsText);
  const { annotations: _, ...metaRest } = metadata;
  return {
    ...rest,
    apiVersion: "autoscaling/v2",
    metadata: { ...metaRest, ...(Object.keys(annotations).length > 0 ? { annotations } : {}) },
    spec: { ...specRest, ...(metrics.length > 0 ? { metrics } : {}), ...(behavior ? { behavior } : {}) },
    ...(status
      ? {
          status: {
            ...statusRest,
            currentMetrics: current.length > 0 ? current : null,
            ...(conditions ? { conditions } : {}),
          },
        }
      : {}),
  } as KubeObject;
}

/** What another version wrote into the annotation; a hand-written one that is no JSON counts as absent. */
function parsed<T>(text: string | undefined): T | undefined {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined;
  }
}
