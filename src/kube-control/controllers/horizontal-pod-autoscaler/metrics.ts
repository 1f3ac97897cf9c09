// One metric of an autoscaler: how many replicas it asks for, and how it stands.
import { errorText, GantryError } from "#base/errors.ts";
import type { PodMetrics } from "#formats/kube-metrics.ts";
import type {
  HorizontalPodAutoscaler,
  MetricSpec,
  MetricStatus,
  MetricTarget,
  MetricValueStatus,
  Pod,
} from "#formats/kube-types.generated.ts";
import { formatQuantity, milliQuantityOf, quantityMillis } from "#formats/quantity.ts";
import { proposeByAverage, proposeByUtilization, tolerancesOf, type Proposal } from "./replicas.ts";
import { usageByPod, type ResourceOf } from "./usage.ts";

/** What metrics.k8s.io answered, or why it did not. */
export type Measured = { readonly metrics: readonly PodMetrics[] } | { readonly failed: string };

export interface MetricInputs {
  readonly autoscaler: HorizontalPodAutoscaler;
  readonly current: number;
  /** The pods of the target. */
  readonly pods: readonly Pod[];
  readonly measured: Measured;
  readonly nowMs: number;
}

/** `failed`: with the reason of its condition and event. */
export type MetricOutcome =
  | { readonly replicas: number; readonly name: string; readonly status: MetricStatus }
  | { readonly failed: { readonly reason: string; readonly message: string }; readonly text: string };

export function evaluateMetric(inputs: MetricInputs, spec: MetricSpec): MetricOutcome {
  const { resource, containerResource } = spec;
  if (spec.type === "Resource" && resource) {
    return evaluateResource(
      inputs,
      { resource: resource.name },
      resource.target,
      "FailedGetResourceMetric",
      (current) => ({
        type: "Resource",
        resource: { name: resource.name, current },
      }),
    );
  }
  if (spec.type === "ContainerResource" && containerResource) {
    const { name, container, target } = containerResource;
    const of = { resource: name, container };
    return evaluateResource(inputs, of, target, "FailedGetContainerResourceMetric", (current) => ({
      type: "ContainerResource",
      containerResource: { name, container, current },
    }));
  }
  return notServed(inputs.autoscaler, spec);
}

function evaluateResource(
  inputs: MetricInputs,
  of: ResourceOf,
  target: MetricTarget,
  reason: string,
  statusOf: (current: MetricValueStatus) => MetricStatus,
): MetricOutcome {
  const { resource, container } = of;
  const byAverage = target.averageValue !== undefined;
  try {
    const proposal = propose(inputs, of, target);
    const kind = container === undefined ? "resource" : "container resource";
    const name = byAverage ? `${resource} ${kind}` : `${resource} ${kind} utilization (percentage of request)`;
    return { replicas: proposal.replicas, name, status: statusOf(currentOf(proposal)) };
  } catch (error) {
    const message = `failed to get ${resource} ${byAverage ? "usage" : "utilization"}: ${errorText(error)}`;
    return failed(reason, message, `failed to get ${resource} ${kindText(container)} metric value: ${message}`);
  }
}

function kindText(container: string | undefined): string {
  return container === undefined ? "resource" : "container";
}

function propose(inputs: MetricInputs, of: ResourceOf, target: MetricTarget): Proposal {
  const { autoscaler, current, pods, measured, nowMs } = inputs;
  const { behavior } = autoscaler.spec ?? {};
  const tolerances = tolerancesOf(behavior?.scaleUp, behavior?.scaleDown);
  const usage = readUsage(measured, of);
  const common = { current, pods, usage, of, tolerances, nowMs };
  if (target.averageValue !== undefined) return proposeByAverage(common, quantityMillis(target.averageValue));
  if (target.averageUtilization !== undefined) return proposeByUtilization(common, target.averageUtilization);
  throw new GantryError(
    "invalid",
    "invalid resource metric source: neither an average utilization target nor an average value (usage) target was set",
  );
}

function readUsage(measured: Measured, of: ResourceOf): ReturnType<typeof usageByPod> {
  const unable = (why: string): GantryError =>
    new GantryError("unavailable", `unable to get metrics for resource ${of.resource}: ${why}`);
  if ("failed" in measured) throw unable(`unable to fetch metrics from resource metrics API: ${measured.failed}`);
  try {
    return usageByPod(measured.metrics, of);
  } catch (error) {
    throw unable(errorText(error));
  }
}

function currentOf({ averageMillis, utilization }: Proposal): MetricValueStatus {
  return {
    ...(utilization === undefined ? {} : { averageUtilization: utilization }),
    averageValue: formatQuantity(milliQuantityOf(averageMillis)),
  };
}

/** Metrics of APIs that nobody serves here: Kubernetes' words where no adapter is installed. */
function notServed({ metadata }: HorizontalPodAutoscaler, { type, pods, object, external }: MetricSpec): MetricOutcome {
  const none =
    "unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered";
  const { namespace = "" } = metadata;
  if (type === "Pods" && pods) {
    const text = `unable to get metric ${pods.metric.name}: ${none}`;
    return failed("FailedGetPodsMetric", text, `failed to get pods metric value: ${text}`);
  }
  if (type === "Object" && object) {
    const { kind, name } = object.describedObject;
    const text = `unable to get metric ${object.metric.name}: ${kind} on ${namespace} ${name}/${none}`;
    return failed("FailedGetObjectMetric", text, `failed to get object metric value: ${text}`);
  }
  if (type === "External" && external) {
    const { name } = external.metric;
    const missing = `the server could not find the requested resource (get ${name}.external.metrics.k8s.io)`;
    const text = `unable to get external metric ${namespace}/${name}/${selectorText(external.metric.selector)}: unable to fetch metrics from external metrics API: ${missing}`;
    return failed("FailedGetExternalMetric", text, `failed to get ${name} external metric value: ${text}`);
  }
  const text = `unknown metric source type "${type}"`;
  return failed("InvalidMetricSourceType", text, text);
}

function selectorText(selector: object | undefined): string {
  return selector === undefined ? "nil" : `&${JSON.stringify(selector)}`;
}

function failed(reason: string, message: string, text: string): MetricOutcome {
  return { failed: { reason, message }, text };
}
