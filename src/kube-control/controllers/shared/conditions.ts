import { kubeTime } from "#formats/kube-time.ts";

/** What every status condition has. */
export interface AnyCondition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
}

/**
 * `conditions` with one put in or replaced. The transition time is kept while the status stays the same; nothing changes when
 * status and reason do (as the workload controllers do).
 */
export function withCondition<C extends AnyCondition>(
  conditions: readonly C[] | undefined,
  condition: C,
  nowMs: number,
): C[] {
  const known = conditions?.find((each) => each.type === condition.type);
  if (known && known.status === condition.status && known.reason === condition.reason) return [...(conditions ?? [])];
  const since = known?.status === condition.status ? known.lastTransitionTime : undefined;
  const others = (conditions ?? []).filter((each) => each.type !== condition.type);
  return [...others, { ...condition, lastTransitionTime: since ?? condition.lastTransitionTime ?? kubeTime(nowMs) }];
}

/** `conditions` without those of a type. */
export function withoutCondition<C extends AnyCondition>(conditions: readonly C[] | undefined, type: string): C[] {
  return (conditions ?? []).filter((each) => each.type !== type);
}
