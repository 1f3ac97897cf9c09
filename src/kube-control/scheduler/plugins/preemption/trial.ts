import type { PodDisruptionBudget } from "#formats/kube-types.generated.ts";
import { podsOn, withoutTrace } from "../../cluster/cluster-state.ts";
import { seat, unseat } from "../../cluster/placements.ts";
import type { PodInfo } from "../../cluster/pod-info.ts";
import type { Cycle } from "../../framework/plugin.ts";
import { verdict, type Verdict } from "../../framework/verdict.ts";
import { byImportance, splitByBudgets, type Victims } from "./victims.ts";

const NOTHING_TO_TAKE = verdict(
  "DefaultPreemption",
  "UnschedulableAndUnresolvable",
  "No preemption victims found for incoming pod",
);

/** Whether the pod fits on a node as the cluster stands, nominated pods included. */
export type FitsOn = (row: number) => Verdict | undefined;

export interface FitCheck {
  readonly fits: FitsOn;
  /** What it says of a node hangs on nothing but that node and the pod's kind. */
  readonly local: boolean;
}

/**
 * The fewest, least important pods that would have to leave a node for the pod of the cycle to fit, found by trying on the cluster itself and putting
 * everything back; or why no leaving helps.
 */
export function tryNode(
  cycle: Cycle,
  row: number,
  fits: FitsOn,
  budgets: readonly PodDisruptionBudget[],
): Victims | Verdict {
  return withoutTrace(cycle.cluster, () => tryOn(cycle, row, fits, budgets));
}

function tryOn(
  { cluster, pod }: Cycle,
  row: number,
  fits: FitsOn,
  budgets: readonly PodDisruptionBudget[],
): Victims | Verdict {
  const lower = Array.from(podsOn(cluster, row)).filter(({ priority }) => priority < pod.priority);
  if (lower.length === 0) return NOTHING_TO_TAKE;
  const away = new Set<PodInfo>();
  const take = (info: PodInfo): void => {
    unseat(cluster, info, row);
    away.add(info);
  };
  const putBack = (info: PodInfo): void => {
    seat(cluster, info, row);
    away.delete(info);
  };
  /** True when the pod can stay. */
  const reprieve = (info: PodInfo): boolean => {
    putBack(info);
    if (fits(row) === undefined) return true;
    take(info);
    return false;
  };
  try {
    for (const info of lower) take(info);
    const objection = fits(row);
    if (objection !== undefined) return objection;
    const { violating, others } = splitByBudgets(lower.sort(byImportance), budgets);
    const violations = violating.filter((info) => !reprieve(info)).length;
    for (const info of others) reprieve(info);
    return { row, pods: Array.from(away).sort(byImportance), budgetViolations: violations };
  } finally {
    for (const info of Array.from(away)) putBack(info);
  }
}
