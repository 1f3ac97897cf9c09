// What an autoscaler remembers: its recommendations and its changes. Lost at a restart, as in Kubernetes.
import type { HPAScalingRules } from "#formats/kube-types.generated.ts";

interface Recommendation {
  readonly atMs: number;
  readonly replicas: number;
}

interface Change {
  readonly atMs: number;
  /** Replicas more, or fewer, than before: never negative. */
  readonly by: number;
}

export interface History {
  readonly recommendations: readonly Recommendation[];
  readonly ups: readonly Change[];
  readonly downs: readonly Change[];
}

/** kube-controller-manager's default of --horizontal-pod-autoscaler-downscale-stabilization. */
export const DOWNSCALE_WINDOW_MS = 300_000;
/** The longest period of a policy, and the longest stabilization window (validation of autoscaling/v2). */
const LONGEST_MS = 3_600_000;

/** An autoscaler that is seen for the first time does not forget what is there at once. */
export function newHistory(replicas: number, atMs: number): History {
  return { recommendations: [{ atMs, replicas }], ups: [], downs: [] };
}

/** With one recommendation more; what no window reaches any longer is forgotten. */
export function recommend(history: History, replicas: number, nowMs: number, windowMs: number): History {
  const kept = history.recommendations.filter(({ atMs }) => atMs >= nowMs - windowMs);
  return { ...history, recommendations: [...kept, { atMs: nowMs, replicas }] };
}

/** With one change more. */
export function changed(history: History, from: number, to: number, nowMs: number): History {
  const recent = (changes: readonly Change[]): Change[] => changes.filter(({ atMs }) => atMs > nowMs - LONGEST_MS);
  const change = { atMs: nowMs, by: Math.abs(to - from) };
  return to > from
    ? { ...history, ups: [...recent(history.ups), change] }
    : { ...history, downs: [...recent(history.downs), change] };
}

/** Replicas changed within a policy's period. */
export function changedWithin(changes: readonly Change[], periodSeconds: number, nowMs: number): number {
  return changes.reduce((sum, { atMs, by }) => (atMs > nowMs - periodSeconds * 1000 ? sum + by : sum), 0);
}

/** The window of rules, in milliseconds. */
export function windowOf(rules: HPAScalingRules | undefined, otherwiseMs: number): number {
  return rules?.stabilizationWindowSeconds === undefined ? otherwiseMs : rules.stabilizationWindowSeconds * 1000;
}
