import { nodeName, podsOn } from "../../cluster/cluster-state.ts";
import type { Extender } from "../../extenders/extender.ts";
import type { Cycle } from "../../framework/plugin.ts";
import { byImportance, type Victims } from "./victims.ts";

/** The candidates that all extenders agree with, with the victims that they name. Throws what one that may not be ignored fails with. */
export async function agreed(
  extenders: readonly Extender[],
  cycle: Cycle,
  candidates: readonly Victims[],
): Promise<readonly Victims[]> {
  let left = candidates;
  for (const extender of extenders) {
    if (left.length === 0) break;
    try {
      left = await ask(extender, cycle, left);
    } catch (error) {
      if (!extender.ignorable) throw error;
    }
  }
  return left;
}

async function ask(extender: Extender, { cluster, pod }: Cycle, candidates: readonly Victims[]): Promise<Victims[]> {
  const byName = new Map(candidates.map((each) => [nodeName(cluster, each.row), each]));
  const answer = await extender.preempt?.(pod, byName);
  return Array.from(answer ?? []).flatMap(([name, { uids, budgetViolations }]) => {
    const row = cluster.rowByName.get(name);
    if (row === undefined) return [];
    const wanted = new Set(uids);
    const pods = Array.from(podsOn(cluster, row)).filter(({ uid }) => wanted.has(uid));
    return [{ row, pods: pods.sort(byImportance), budgetViolations }];
  });
}
