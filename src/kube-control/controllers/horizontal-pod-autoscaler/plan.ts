import type {
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerCondition,
  HorizontalPodAutoscalerStatus,
  MetricStatus,
  Pod,
  Scale,
} from "#formats/kube-types.generated.ts";
import { kubeTime } from "#formats/kube-time.ts";
import { limit } from "./limits.ts";
import { changed, newHistory, type History } from "./history.ts";
import { evaluateMetric, type Measured, type MetricOutcome } from "./metrics.ts";
import { withStatusCondition } from "./conditions.ts";

export interface Observed {
  readonly autoscaler: HorizontalPodAutoscaler;
  readonly scale: Scale;
  /** Those that the scale's selector selects; or why it selects none. */
  readonly target: { readonly pods: readonly Pod[] } | { readonly failed: Failure };
  readonly measured: Measured;
  readonly history: History | undefined;
  readonly nowMs: number;
}

export interface Failure {
  readonly reason: string;
  readonly message: string;
}

export interface Said extends Failure {
  readonly type: "Normal" | "Warning";
}

/** What to do: set the scale if `rescale`, then write the status. */
export interface Plan {
  readonly rescale: { readonly replicas: number; readonly reason: string } | undefined;
  readonly status: HorizontalPodAutoscalerStatus;
  readonly events: readonly Said[];
  readonly history: History;
  /** Said once all is done: nothing could be decided. */
  readonly failed?: string;
}

/** Pure: kube-controller-manager's podautoscaler, reconcileAutoscaler. */
export function planScale(observed: Observed): Plan {
  const { autoscaler, scale, nowMs } = observed;
  const current = scale.spec?.replicas ?? 0;
  const history = observed.history ?? newHistory(current, nowMs);
  const { minReplicas: min = 1, maxReplicas: max = 1 } = autoscaler.spec ?? {};
  const able = condition("AbleToScale", "True", "SucceededGetScale", GOT_SCALE);
  if (current === 0 && min !== 0) {
    const off = condition("ScalingActive", "False", "ScalingDisabled", DISABLED);
    return settled(observed, history, [able, off], { current, desired: 0, metrics: [] }, []);
  }
  const outside = current > max ? max : current < min ? min : undefined;
  if (outside !== undefined) {
    const which = current > max ? "above Spec.MaxReplicas" : "below Spec.MinReplicas";
    return rescaled(observed, history, [able], [], outside, `Current number of replicas ${which}`, []);
  }
  return byMetrics(observed, history, able, { min, max });
}

const GOT_SCALE = "the HPA controller was able to get the target's current scale";
const DISABLED = "scaling is disabled since the replica count of the target is zero";

function byMetrics(
  observed: Observed,
  history: History,
  able: HorizontalPodAutoscalerCondition,
  bounds: { readonly min: number; readonly max: number },
): Plan {
  const { autoscaler, nowMs } = observed;
  const current = observed.scale.spec?.replicas ?? 0;
  const found = evaluateAll(observed, current);
  const events = [...found.events];
  if (found.wanted === undefined) {
    const inactive = condition("ScalingActive", "False", found.condition.reason, found.condition.message);
    const said: Said = { type: "Warning", reason: "FailedComputeMetricsReplicas", message: found.failed };
    const desired = autoscaler.status?.desiredReplicas ?? 0;
    const counts = { current, desired, metrics: found.statuses };
    const failed = `failed to compute desired number of replicas based on listed metrics: ${found.failed}`;
    return { ...settled(observed, history, [able, inactive], counts, [...events, said]), failed };
  }
  const active = condition(
    "ScalingActive",
    "True",
    "ValidMetricFound",
    `the HPA was able to successfully calculate a replica count from ${found.metric}`,
  );
  const { wanted } = found;
  const limited = limit({ current, wanted, bounds, history, nowMs }, autoscaler.spec?.behavior);
  const conditions = [
    condition("AbleToScale", "True", limited.able.reason, limited.able.message),
    active,
    condition(
      "ScalingLimited",
      limited.limited.holds ? "True" : "False",
      limited.limited.reason,
      limited.limited.message,
    ),
  ];
  if (limited.replicas === current) {
    const counts = { current, desired: current, metrics: found.statuses };
    return settled(observed, limited.history, conditions, counts, events);
  }
  const reason = wanted > current ? `${found.metric} above target` : wanted < current ? "All metrics below target" : "";
  return rescaled(observed, limited.history, conditions, found.statuses, limited.replicas, reason, events);
}

type Evaluated = { readonly statuses: readonly MetricStatus[]; readonly events: readonly Said[] } & (
  | { readonly wanted: number; readonly metric: string }
  | { readonly wanted: undefined; readonly failed: string; readonly condition: Failure }
);

/** The most that a metric asks for; nothing when none can be read, nor less than now when one cannot. */
function evaluateAll({ autoscaler, target, measured, nowMs }: Observed, current: number): Evaluated {
  if ("failed" in target) {
    const { reason, message } = target.failed;
    return { statuses: [], events: [], wanted: undefined, failed: message, condition: { reason, message } };
  }
  const specs = autoscaler.spec?.metrics ?? [];
  const outcomes = specs.map((spec) =>
    evaluateMetric({ autoscaler, current, pods: target.pods, measured, nowMs }, spec),
  );
  const statuses = outcomes.map((each): MetricStatus => ("status" in each ? each.status : { type: "" }));
  const bad = outcomes.filter((each) => "failed" in each);
  const events = bad.map(({ failed }): Said => ({ type: "Warning", ...failed }));
  const best = highest(outcomes);
  const [first] = bad;
  if (first && (!best || best.replicas < current)) {
    const failed = `invalid metrics (${bad.length} invalid out of ${specs.length}), first error is: ${first.text}`;
    const message = `the HPA was unable to compute the replica count: ${first.failed.message}`;
    return { statuses, events, wanted: undefined, failed, condition: { reason: first.failed.reason, message } };
  }
  return { statuses, events, wanted: best?.replicas ?? current, metric: best?.name ?? "" };
}

function highest(outcomes: readonly MetricOutcome[]): { replicas: number; name: string } | undefined {
  let best: { replicas: number; name: string } | undefined;
  for (const each of outcomes) if ("replicas" in each && (!best || each.replicas > best.replicas)) best = each;
  return best;
}

interface Counts {
  readonly current: number;
  readonly desired: number;
  readonly metrics: readonly MetricStatus[];
}

function settled(
  { autoscaler, nowMs }: Observed,
  history: History,
  conditions: readonly HorizontalPodAutoscalerCondition[],
  { current, desired, metrics }: Counts,
  events: readonly Said[],
): Plan {
  const { status } = autoscaler;
  return {
    rescale: undefined,
    events,
    history,
    status: {
      ...(status?.lastScaleTime === undefined ? {} : { lastScaleTime: status.lastScaleTime }),
      currentReplicas: current,
      desiredReplicas: desired,
      currentMetrics: [...metrics],
      conditions: withConditions(status?.conditions, conditions, nowMs),
    },
  };
}

function rescaled(
  observed: Observed,
  history: History,
  conditions: readonly HorizontalPodAutoscalerCondition[],
  metrics: readonly MetricStatus[],
  replicas: number,
  reason: string,
  events: readonly Said[],
): Plan {
  const { autoscaler, nowMs } = observed;
  const current = observed.scale.spec?.replicas ?? 0;
  const able = condition(
    "AbleToScale",
    "True",
    "SucceededRescale",
    `the HPA controller was able to update the target scale to ${replicas}`,
  );
  const all = [able, ...conditions.filter(({ type }) => type !== "AbleToScale")];
  const done = settled(observed, history, all, { current, desired: replicas, metrics }, [
    ...events,
    { type: "Normal", reason: "SuccessfulRescale", message: `New size: ${replicas}; reason: ${reason}` },
  ]);
  const remembered = autoscaler.spec?.behavior ? changed(history, current, replicas, nowMs) : history;
  return {
    ...done,
    status: { ...done.status, lastScaleTime: kubeTime(nowMs) },
    rescale: { replicas, reason },
    history: remembered,
  };
}

function condition(type: string, status: string, reason: string, message: string): HorizontalPodAutoscalerCondition {
  return { type, status, reason, message };
}

function withConditions(
  before: readonly HorizontalPodAutoscalerCondition[] | undefined,
  conditions: readonly HorizontalPodAutoscalerCondition[],
  nowMs: number,
): HorizontalPodAutoscalerCondition[] {
  return conditions.reduce((all, each) => withStatusCondition(all, each, nowMs), [...(before ?? [])]);
}
