import type {
  HorizontalPodAutoscaler,
  MetricSpec,
  MetricStatus,
  V1HorizontalPodAutoscaler,
} from "../kube-types.generated.ts";
import { UNKNOWN } from "./cells.ts";

type Target = {
  readonly type?: string;
  readonly value?: string;
  readonly averageValue?: string;
  readonly averageUtilization?: number;
};
type Current = { readonly value?: string; readonly averageValue?: string; readonly averageUtilization?: number };
type Current2 = NonNullable<NonNullable<HorizontalPodAutoscaler["status"]>["currentMetrics"]>;

/** More metrics are only counted. */
const MOST = 2;

/** formatHPAMetrics: `cpu: 12%/80%, 3/10 (avg)`. */
export function metricsText(specs: readonly MetricSpec[] | undefined, statuses: Current2 | undefined): string {
  if (!specs || specs.length === 0) return "<none>";
  const shown = specs.slice(0, MOST).map((spec, index) => metricText(spec, statuses?.[index]));
  const more = specs.length - shown.length;
  return more > 0 ? `${shown.join(", ")} + ${more} more...` : shown.join(", ");
}

function metricText(spec: MetricSpec, status: MetricStatus | undefined): string {
  switch (spec.type) {
    case "External":
      return (
        average(spec.external?.target, status?.external?.current) ??
        valueText(spec.external?.target.value, status?.external?.current.value)
      );
    case "Pods":
      return valueText(spec.pods?.target.averageValue, status?.pods?.current.averageValue);
    case "Object":
      return (
        average(spec.object?.target, status?.object?.current) ??
        valueText(spec.object?.target.value, status?.object?.current.value)
      );
    case "Resource":
      return `${spec.resource?.name ?? ""}: ${resourceText(spec.resource?.target, status?.resource?.current)}`;
    case "ContainerResource":
      return `${spec.containerResource?.name ?? ""}: ${resourceText(spec.containerResource?.target, status?.containerResource?.current)}`;
    default:
      return "<unknown type>";
  }
}

function average(target: Target | undefined, current: Current | undefined): string | undefined {
  return target?.averageValue === undefined
    ? undefined
    : `${valueText(target.averageValue, current?.averageValue)} (avg)`;
}

function valueText(target: string | undefined, current: string | undefined): string {
  return `${current ?? UNKNOWN}/${target ?? "<auto>"}`;
}

function resourceText(target: Target | undefined, current: Current | undefined): string {
  if (target?.averageValue !== undefined) return valueText(target.averageValue, current?.averageValue);
  return utilizationText(target?.averageUtilization, current?.averageUtilization);
}

function utilizationText(target: number | undefined, current: number | undefined): string {
  const show = (value: number | undefined, absent: string): string => (value === undefined ? absent : `${value}%`);
  return `${show(current, UNKNOWN)}/${show(target, "<auto>")}`;
}

export function v1MetricsText({ spec, status }: V1HorizontalPodAutoscaler): string {
  return `cpu: ${utilizationText(spec?.targetCPUUtilizationPercentage, status?.currentCPUUtilizationPercentage)}`;
}
