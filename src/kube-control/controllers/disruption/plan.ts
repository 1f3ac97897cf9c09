import { kubeTime, parseKubeTime } from "#formats/kube-time.ts";
import type { Pod, PodDisruptionBudget, PodDisruptionBudgetStatus } from "#formats/kube-types.generated.ts";
import { scaledValue } from "../shared/int-or-percent.ts";
import { isFinished, isReady, isTerminating } from "../shared/pods.ts";
import { withCondition } from "../shared/conditions.ts";

export interface BudgetObserved {
  readonly budget: PodDisruptionBudget;
  /** The pods that it selects. */
  readonly pods: readonly Pod[];
  /** Pods that their workloads want; undefined when a pod has no workload that says. */
  readonly wanted: number | undefined;
  readonly nowMs: number;
}

/** An eviction that was allowed is waited for this long; then the pod counts again. */
const DELETION_TIMEOUT_MS = 120_000;

export interface BudgetPlan {
  readonly status: PodDisruptionBudgetStatus;
  /** When an eviction that did not come about is given up, in milliseconds from now. */
  readonly recheckMs: number | undefined;
}

/** How many pods may go now (pkg/controller/disruption, trySync). */
export function planBudget({ budget, pods, wanted, nowMs }: BudgetObserved): BudgetPlan {
  const live = pods.filter((pod) => !isFinished(pod));
  const { disrupted, recheckMs } = disruptedPods(budget, live, nowMs);
  const { expected, desired } = counts(budget, live.length, wanted);
  const isHealthy = (pod: Pod): boolean =>
    !isTerminating(pod) && !((pod.metadata.name ?? "") in disrupted) && isReady(pod);
  const currentHealthy = live.filter(isHealthy).length;
  const allowed = expected > 0 ? Math.max(0, currentHealthy - desired) : 0;
  const condition = {
    type: "DisruptionAllowed",
    status: allowed > 0 ? "True" : "False",
    reason: allowed > 0 ? "SufficientPods" : "InsufficientPods",
    message: "",
    observedGeneration: budget.metadata.generation,
    lastTransitionTime: kubeTime(nowMs),
  };
  const known = budget.status?.conditions?.find(({ type }) => type === condition.type);
  const status: PodDisruptionBudgetStatus = {
    conditions:
      known?.status === condition.status && known.observedGeneration === condition.observedGeneration
        ? (budget.status?.conditions ?? [])
        : withCondition(
            (budget.status?.conditions ?? []).filter((each) => each !== known),
            {
              ...condition,
              lastTransitionTime:
                known?.status === condition.status ? known.lastTransitionTime : condition.lastTransitionTime,
            },
            nowMs,
          ),
    currentHealthy,
    desiredHealthy: desired,
    disruptionsAllowed: allowed,
    expectedPods: expected,
    observedGeneration: budget.metadata.generation,
    ...(Object.keys(disrupted).length > 0 && { disruptedPods: disrupted }),
  };
  return { status, recheckMs };
}

function counts(
  { spec }: PodDisruptionBudget,
  present: number,
  wanted: number | undefined,
): { expected: number; desired: number } {
  if (spec?.maxUnavailable !== undefined) {
    const expected = wanted ?? 0;
    return { expected, desired: Math.max(0, expected - scaledValue(spec.maxUnavailable, expected, true)) };
  }
  const least = spec?.minAvailable ?? 1;
  if (typeof least === "number") return { expected: present, desired: least };
  const expected = wanted ?? 0;
  return { expected, desired: scaledValue(least, expected, true) };
}

/** Pods whose eviction was allowed and which are not being deleted yet. */
function disruptedPods(
  budget: PodDisruptionBudget,
  pods: readonly Pod[],
  nowMs: number,
): { disrupted: Record<string, string>; recheckMs: number | undefined } {
  const disrupted: Record<string, string> = {};
  let recheckMs: number | undefined;
  for (const [name, at] of Object.entries(budget.status?.disruptedPods ?? {})) {
    const pod = pods.find(({ metadata }) => metadata.name === name);
    const left = (parseKubeTime(at) ?? 0) + DELETION_TIMEOUT_MS - nowMs;
    if (!pod || isTerminating(pod) || left <= 0) continue;
    disrupted[name] = at;
    recheckMs = Math.min(recheckMs ?? left, left);
  }
  return { disrupted, recheckMs };
}
