import type { Random } from "#base/random.ts";
import type { PodDisruptionBudget } from "#formats/kube-types.generated.ts";
import { nodeName, podsOn } from "../../cluster/cluster-state.ts";
import type { PodInfo } from "../../cluster/pod-info.ts";
import { fitMessage, type Diagnosis } from "../../framework/diagnosis.ts";
import type { Cycle, PostFilterPlugin, PostFilterResult } from "../../framework/plugin.ts";
import { verdict, type Verdict } from "../../framework/verdict.ts";
import type { Extender } from "../../extenders/extender.ts";
import { agreed } from "./extenders.ts";
import { trialMemory, type TrialMemory } from "./trial-memory.ts";
import { tryNode, type FitCheck } from "./trial.ts";
import { pickVictims, type Victims } from "./victims.ts";

const NAME = "DefaultPreemption";
const NOT_HELPFUL = verdict(NAME, "UnschedulableAndUnresolvable", "Preemption is not helpful for scheduling");

/** DefaultPreemptionArgs: how many nodes are tried, as a share of those that may help, and at least. */
export interface PreemptionArgs {
  readonly minCandidateNodesPercentage?: number;
  readonly minCandidateNodesAbsolute?: number;
}

export interface PreemptionParts {
  readonly random: Random;
  readonly budgets: () => readonly PodDisruptionBudget[];
  readonly extenders: readonly Extender[];
  /** Filters for the pod of a cycle, as the cluster stands whenever they are asked. */
  readonly fits: (cycle: Cycle) => FitCheck;
  /** Deletes the victims and tells everybody, in the background. */
  readonly evict: (preemptor: PodInfo, victims: readonly PodInfo[], nodeName: string) => Promise<void>;
}

/** Makes room for a pod by deleting ones of lower priority, as few and as unimportant as will do. */
export function preemptionPlugin(parts: PreemptionParts, args: PreemptionArgs = {}): PostFilterPlugin {
  const { minCandidateNodesPercentage = 10, minCandidateNodesAbsolute = 100 } = args;
  const trials = trialMemory();
  return {
    name: NAME,
    postFilter(cycle, diagnosis) {
      const reason = whyNot(cycle, diagnosis);
      if (reason !== undefined) return { message: `preemption: ${reason}` };
      const helpful: number[] = [];
      for (const [row, { code }] of diagnosis.verdicts) if (code === "Unschedulable") helpful.push(row);
      const count = Math.trunc((helpful.length * minCandidateNodesPercentage) / 100);
      const wanted = Math.min(helpful.length, Math.max(count, minCandidateNodesAbsolute));
      const { candidates, verdicts } = tryNodes(parts, trials, cycle, helpful, wanted);
      const decided = (left: readonly Victims[]): PostFilterResult => {
        const best = pickVictims(left);
        return best
          ? makeRoom(parts, cycle, best)
          : { message: `preemption: ${explain(diagnosis, verdicts)}`, nominatedNode: "" };
      };
      const extenders = parts.extenders.filter((each) => each.preempt && each.concerns(cycle.pod));
      if (extenders.length === 0 || candidates.length === 0) return decided(candidates);
      return agreed(extenders, cycle, candidates).then(decided);
    },
  };
}

/** Why the pod may not take others' places; undefined when it may. */
function whyNot({ cluster, pod }: Cycle, diagnosis: Diagnosis): string | undefined {
  if (pod.pod.spec?.preemptionPolicy === "Never") return "not eligible due to preemptionPolicy=Never.";
  const nominated = pod.pod.status?.nominatedNodeName;
  const row = nominated ? cluster.rowByName.get(nominated) : undefined;
  if (row === undefined || diagnosis.verdicts.get(row)?.code === "UnschedulableAndUnresolvable") return undefined;
  // Those that it drove out are still ending: their place will be its own.
  const ending = Array.from(podsOn(cluster, row)).some(
    (other) => other.priority < pod.priority && other.pod.metadata.deletionTimestamp !== undefined,
  );
  return ending ? "not eligible due to a terminating pod on the nominated node." : undefined;
}

/** Tries nodes from a random one on until enough candidates are found. */
function tryNodes(
  parts: PreemptionParts,
  trials: TrialMemory,
  cycle: Cycle,
  rows: readonly number[],
  wanted: number,
): { candidates: Victims[]; verdicts: Map<number, Verdict> } {
  const check = parts.fits(cycle);
  const budgets = parts.budgets();
  const known = budgets.length === 0 && check.local ? trials.of(cycle) : undefined;
  const verdicts = new Map<number, Verdict>();
  const candidates: Victims[] = [];
  const offset = Math.floor(parts.random.next() * rows.length);
  for (let step = 0; step < rows.length && candidates.length < wanted; step++) {
    const row = rows[(offset + step) % rows.length] ?? 0;
    const found = known?.get(row) ?? tryNode(cycle, row, check.fits, budgets);
    known?.set(row, found);
    if ("pods" in found) candidates.push(found);
    else verdicts.set(row, found);
  }
  return { candidates, verdicts };
}

function makeRoom(parts: PreemptionParts, cycle: Cycle, victims: Victims): PostFilterResult {
  const name = nodeName(cycle.cluster, victims.row);
  return { message: "", nominatedNode: name, act: () => parts.evict(cycle.pod, victims.pods, name) };
}

function explain({ nodeCount }: Diagnosis, verdicts: ReadonlyMap<number, Verdict>): string {
  return fitMessage({ nodeCount, verdicts, absent: NOT_HELPFUL, preFilterMessage: "", rejectors: new Set() }, "");
}
