import { kubeTime } from "#formats/kube-time.ts";
import type { HorizontalPodAutoscalerCondition } from "#formats/kube-types.generated.ts";

/** Puts a condition in its place; the transition time changes with the status only. */
export function withStatusCondition(
  conditions: readonly HorizontalPodAutoscalerCondition[],
  condition: HorizontalPodAutoscalerCondition,
  nowMs: number,
): HorizontalPodAutoscalerCondition[] {
  const known = conditions.find(({ type }) => type === condition.type);
  const same = known?.status === condition.status;
  const next = { ...condition, lastTransitionTime: same ? known.lastTransitionTime : kubeTime(nowMs) };
  return known ? conditions.map((each) => (each === known ? next : each)) : [...conditions, next];
}
