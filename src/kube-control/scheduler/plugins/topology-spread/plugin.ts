import type { Node, Pod } from "#formats/kube-types.generated.ts";
import { matchesSelector, type Selector } from "#formats/selectors.ts";
import type { PodCounts } from "../../cluster/pod-groups.ts";
import type { PodInfo } from "../../cluster/pod-info.ts";
import type { EventInterest, FilterPlugin, ScorePlugin } from "../../framework/plugin.ts";
import { constraintsOf, type Constraint, type Constraints, type SpreadArgs } from "./constraints.ts";
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
  const required = (pod: PodInfo): readonly Constraint[] =>
    constraintsOf(pod, "DoNotSchedule", args, workloadSelector).constraints;
  const preferred = (pod: PodInfo): Constraints => constraintsOf(pod, "ScheduleAnyway", args, workloadSelector);
  return {
    name: "PodTopologySpread",
    events: eventsFor(required),
    preFilter(cycle) {
      const constraints = required(cycle.pod);
      if (constraints.length === 0) return { kind: "skip" };
      const filter = spreadFilter(cycle, constraints, counts);
      return filter ? { kind: "filter", filter } : { kind: "skip", forNow: true };
    },
    concerns: ({ pod }) => preferred(pod).constraints.length > 0,
    preScore(cycle, rows) {
      const wanted = preferred(cycle.pod);
      return wanted.constraints.length === 0 ? undefined : spreadScorer(cycle, rows, wanted, counts);
    },
  };
}

function eventsFor(required: (pod: PodInfo) => readonly Constraint[]): readonly EventInterest[] {
  return [
    {
      resource: "AssignedPod",
      actions: ["Add", "Delete", "UpdatePodLabel", "Update"],
      /** Only pods that a constraint counts make a difference. */
      helps: (info, { before, after }) =>
        [before as Pod | undefined, after as Pod | undefined].some(
          (pod) =>
            pod?.metadata.namespace === info.namespace &&
            required(info).some(({ selector }) => matchesSelector(selector, pod?.metadata.labels)),
        ),
    },
    { resource: "TargetPod", actions: ["UpdatePodLabel"] },
    {
      resource: "Node",
      actions: ["Add", "Delete", "UpdateNodeLabel", "UpdateNodeTaint"],
      /** A node without the labels is in no domain. */
      helps: (info, { before, after }) =>
        [before as Node | undefined, after as Node | undefined].some(
          (node) => node && required(info).every(({ topologyKey }) => topologyKey in (node.metadata.labels ?? {})),
        ),
    },
  ];
}
