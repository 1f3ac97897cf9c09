import { parseKubeTime } from "#formats/kube-time.ts";
import type { PodDisruptionBudget } from "#formats/kube-types.generated.ts";
import { matchesSelector, selectorOf } from "#formats/selectors.ts";
import type { PodInfo } from "../../cluster/pod-info.ts";

/** Pods that would have to go from one node, the most important first. */
export interface Victims {
  readonly row: number;
  readonly pods: readonly PodInfo[];
  /** How many of them a disruption budget protects. */
  readonly budgetViolations: number;
}

/** Negative when `a` is more important: by priority, then by having started earlier. */
export function byImportance(a: PodInfo, b: PodInfo): number {
  return b.priority - a.priority || startedMs(a) - startedMs(b);
}

function startedMs({ pod }: PodInfo): number {
  return parseKubeTime(pod.status?.startTime) ?? Number.MAX_SAFE_INTEGER;
}

/** Splits pods, in their order, by whether deleting all of them would break a budget at one. */
export function splitByBudgets(
  pods: readonly PodInfo[],
  budgets: readonly PodDisruptionBudget[],
): { violating: PodInfo[]; others: PodInfo[] } {
  const allowed = budgets.map((budget) => ({
    namespace: budget.metadata.namespace ?? "",
    selector: selectorOf(budget.spec?.selector),
    disrupted: budget.status?.disruptedPods ?? {},
    left: budget.status?.disruptionsAllowed ?? 0,
  }));
  const violating: PodInfo[] = [];
  const others: PodInfo[] = [];
  for (const info of pods) {
    const { name = "", labels = {} } = info.pod.metadata;
    let violates = false;
    for (const budget of allowed) {
      if (budget.namespace !== info.namespace || Object.keys(labels).length === 0) continue;
      if (budget.selector.requirements.length === 0 || !matchesSelector(budget.selector, labels)) continue;
      // Its disruption is counted in the budget already.
      if (name in budget.disrupted) continue;
      budget.left--;
      if (budget.left < 0) violates = true;
    }
    (violates ? violating : others).push(info);
  }
  return { violating, others };
}

/** A sum of priorities in which every pod counts, those of negative priority too. */
const EVERY_POD = 2 ** 31;

/**
 * The node to make room on (preemption.pickOneNodeForPreemption): fewest broken budgets, then the least important most important victim, the smallest
 * sum of priorities, the fewest victims, and, of those, the one whose most important victims started last.
 */
export function pickVictims(candidates: readonly Victims[]): Victims | undefined {
  const measures: ((victims: Victims) => number)[] = [
    ({ budgetViolations }) => budgetViolations,
    ({ pods }) => pods[0]?.priority ?? Number.NEGATIVE_INFINITY,
    ({ pods }) => pods.reduce((sum, { priority }) => sum + priority + EVERY_POD, 0),
    ({ pods }) => pods.length,
    (victims) => -earliestStart(victims),
  ];
  let left = candidates;
  for (const measure of measures) {
    const values = left.map(measure);
    const lowest = Math.min(...values);
    left = left.filter((_, index) => values[index] === lowest);
    if (left.length <= 1) break;
  }
  return left[0];
}

function earliestStart({ pods }: Victims): number {
  const highest = pods[0]?.priority;
  return Math.min(...pods.filter(({ priority }) => priority === highest).map(startedMs));
}
