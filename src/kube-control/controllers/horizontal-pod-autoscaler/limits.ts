// From what the metrics ask for to what is done (kube-controller-manager's podautoscaler: normalization).
import type { HorizontalPodAutoscalerBehavior, HPAScalingRules } from "#formats/kube-types.generated.ts";
import { changedWithin, DOWNSCALE_WINDOW_MS, recommend, windowOf, type History } from "./history.ts";

export interface Bounds {
  readonly min: number;
  readonly max: number;
}

interface Why {
  readonly reason: string;
  readonly message: string;
}

export interface Limited {
  readonly replicas: number;
  readonly history: History;
  /** Condition AbleToScale. */
  readonly able: Why;
  /** Condition ScalingLimited, and whether it holds. */
  readonly limited: Why & { readonly holds: boolean };
}

const READY: Why = { reason: "ReadyForNewScale", message: "recommended size matches current size" };
const DOWN_STABILIZED: Why = {
  reason: "ScaleDownStabilized",
  message: "recent recommendations were higher than current one, applying the highest recent recommendation",
};
const UP_STABILIZED: Why = {
  reason: "ScaleUpStabilized",
  message: "recent recommendations were lower than current one, applying the lowest recent recommendation",
};
const WITHIN: Why = { reason: "DesiredWithinRange", message: "the desired count is within the acceptable range" };
const TOO_MANY: Why = {
  reason: "TooManyReplicas",
  message: "the desired replica count is more than the maximum replica count",
};
const TOO_FEW: Why = {
  reason: "TooFewReplicas",
  message: "the desired replica count is less than the minimum replica count",
};
const TOO_FAST_UP: Why = {
  reason: "ScaleUpLimit",
  message: "the desired replica count is increasing faster than the maximum scale rate",
};
const TOO_FAST_DOWN: Why = {
  reason: "ScaleDownLimit",
  message: "the desired replica count is decreasing faster than the maximum scale rate",
};

interface Wish {
  readonly current: number;
  readonly wanted: number;
  readonly bounds: Bounds;
  readonly history: History;
  readonly nowMs: number;
}

/** Holds a wish back by time and by rate. */
export function limit(wish: Wish, behavior: HorizontalPodAutoscalerBehavior | undefined): Limited {
  const { wanted, nowMs } = wish;
  const { replicas: stable, why, keepMs } = stabilize(wish, behavior);
  const history = recommend(wish.history, wanted, nowMs, keepMs);
  const [replicas, limited] = behavior
    ? byPolicies({ ...wish, wanted: stable }, behavior)
    : byDefault({ ...wish, wanted: stable });
  return {
    replicas,
    history,
    able: stable === wanted ? READY : why,
    limited: { ...limited, holds: replicas !== stable },
  };
}

/** Moves from the present only as far as every wish of the windows agrees. */
function stabilize(wish: Wish, behavior: HorizontalPodAutoscalerBehavior | undefined) {
  if (!behavior) return stabilizeDown(wish);
  const { current, wanted, history, nowMs } = wish;
  const upMs = windowOf(behavior.scaleUp, 0);
  const downMs = windowOf(behavior.scaleDown, DOWNSCALE_WINDOW_MS);
  const within = (windowMs: number): number[] =>
    history.recommendations.filter(({ atMs }) => atMs > nowMs - windowMs).map(({ replicas }) => replicas);
  const lowest = Math.min(wanted, ...within(upMs));
  const highest = Math.max(wanted, ...within(downMs));
  const replicas = Math.min(Math.max(current, lowest), highest);
  return { replicas, why: wanted >= current ? UP_STABILIZED : DOWN_STABILIZED, keepMs: Math.max(upMs, downMs) };
}

function stabilizeDown({ wanted, history, nowMs }: Wish) {
  const recent = history.recommendations
    .filter(({ atMs }) => atMs >= nowMs - DOWNSCALE_WINDOW_MS)
    .map(({ replicas }) => replicas);
  return { replicas: Math.max(wanted, ...recent), why: DOWN_STABILIZED, keepMs: DOWNSCALE_WINDOW_MS };
}

type Outcome = readonly [replicas: number, why: Why];

/** Without a behavior: at most twice as many, or four. */
function byDefault({ current, wanted, bounds }: Wish): Outcome {
  const fastest = Math.max(2 * current, 4);
  if (wanted < bounds.min) return [bounds.min, TOO_FEW];
  if (bounds.max > fastest) return wanted > fastest ? [fastest, TOO_FAST_UP] : [wanted, WITHIN];
  return wanted > bounds.max ? [bounds.max, TOO_MANY] : [wanted, WITHIN];
}

function byPolicies(wish: Wish, behavior: HorizontalPodAutoscalerBehavior): Outcome {
  const { current, wanted, bounds, history, nowMs } = wish;
  if (wanted > current) {
    const fastest = Math.max(current, upLimit(current, history, behavior.scaleUp, nowMs));
    if (bounds.max > fastest) return wanted > fastest ? [fastest, TOO_FAST_UP] : [wanted, WITHIN];
    return wanted > bounds.max ? [bounds.max, TOO_MANY] : [wanted, WITHIN];
  }
  if (wanted < current) {
    const fastest = Math.min(current, downLimit(current, history, behavior.scaleDown, nowMs));
    if (bounds.min < fastest) return wanted < fastest ? [fastest, TOO_FAST_DOWN] : [wanted, WITHIN];
    return wanted < bounds.min ? [bounds.min, TOO_FEW] : [wanted, WITHIN];
  }
  return [wanted, WITHIN];
}

/** The most replicas that the policies allow. Changes both ways within a period count: what was added and taken away is no reason to wait. */
function upLimit(current: number, { ups, downs }: History, rules: HPAScalingRules | undefined, nowMs: number): number {
  if (!rules || rules.selectPolicy === "Disabled") return current;
  const proposals = (rules.policies ?? []).map(({ type, value, periodSeconds }) => {
    const atStart = current - changedWithin(ups, periodSeconds, nowMs) + changedWithin(downs, periodSeconds, nowMs);
    return type === "Pods" ? atStart + value : Math.ceil(atStart * (1 + value / 100));
  });
  return rules.selectPolicy === "Min" ? Math.min(...proposals) : Math.max(...proposals);
}

/** The fewest replicas that the policies allow. */
function downLimit(
  current: number,
  { ups, downs }: History,
  rules: HPAScalingRules | undefined,
  nowMs: number,
): number {
  if (!rules || rules.selectPolicy === "Disabled") return current;
  const proposals = (rules.policies ?? []).map(({ type, value, periodSeconds }) => {
    const atStart = current + changedWithin(downs, periodSeconds, nowMs) - changedWithin(ups, periodSeconds, nowMs);
    return type === "Pods" ? atStart - value : Math.trunc(atStart * (1 - value / 100));
  });
  return rules.selectPolicy === "Min" ? Math.max(...proposals) : Math.min(...proposals);
}
