import type { Pod } from "#formats/kube-types.generated.ts";
import type { Selector } from "#formats/selectors.ts";
import type { PodCounts } from "../../cluster/pod-groups.ts";
import type { FilterPlugin, ScorePlugin } from "../../framework/plugin.ts";
import { constraintsOf, type SpreadArgs } from "./constraints.ts";
import { spreadFilter } from "./filter.ts";
import { spreadScorer } from "./score.ts";

export interface SpreadParts {
  readonly counts: PodCounts;
  /** The selector of the services and workloads that a pod is of, for the default constraints. */
  readonly workloadSelector: (pod: Pod) => Selector | undefined;
}

/** Pods in equal numbers over zones, nodes, or what else a label tells apart. */
export function topologySpreadPlugin(
  { counts, workloadSelector }: SpreadParts,
  args: SpreadArgs = {},
): FilterPlugin & ScorePlugin {
  return {
    name: "PodTopologySpread",
    events: [
      { resource: "AssignedPod", actions: ["Add", "Delete", "UpdatePodLabel", "Update"] },
      { resource: "TargetPod", actions: ["UpdatePodLabel"] },
      { resource: "Node", actions: ["Add", "Delete", "UpdateNodeLabel", "UpdateNodeTaint"] },
    ],
    preFilter(cycle) {
      const { constraints } = constraintsOf(cycle.pod, "DoNotSchedule", args, workloadSelector);
      if (constraints.length === 0) return { kind: "skip" };
      return { kind: "filter", filter: spreadFilter(cycle, constraints, counts) };
    },
    preScore(cycle, rows) {
      const wanted = constraintsOf(cycle.pod, "ScheduleAnyway", args, workloadSelector);
      return wanted.constraints.length === 0 ? undefined : spreadScorer(cycle, rows, wanted, counts);
    },
  };
}
