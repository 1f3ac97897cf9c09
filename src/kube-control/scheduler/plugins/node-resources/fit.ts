import type { Node, Pod } from "#formats/kube-types.generated.ts";
import { resourceAmounts } from "#formats/pod-requests.ts";
import type { ClusterState } from "../../cluster/cluster-state.ts";
import { nominatedOn } from "../../cluster/nominations.ts";
import type { PodInfo } from "../../cluster/pod-info.ts";
import type { Cycle, EventInterest, FilterPlugin, RowFilter, ScorePlugin } from "../../framework/plugin.ts";
import { verdict, type Verdict } from "../../framework/verdict.ts";
import { resourceScorer, type ScoringStrategy } from "./strategies.ts";

const NAME = "NodeResourcesFit";

/** NodeResourcesFitArgs. */
export interface FitArgs {
  /** Extended resources that are not checked. */
  readonly ignoredResources?: readonly string[];
  /** Groups of extended resources (`example.com`) that are not checked. */
  readonly ignoredResourceGroups?: readonly string[];
  readonly scoringStrategy?: ScoringStrategy;
}

const DEFAULT_STRATEGY: ScoringStrategy = {
  type: "LeastAllocated",
  resources: [
    { name: "cpu", weight: 1 },
    { name: "memory", weight: 1 },
  ],
};

/** A pod needs what it requests, of what the node's pods leave free; of the nodes that have it, those left freest (by default) score best. */
export function nodeResourcesFitPlugin(cluster: ClusterState, args: FitArgs = {}): FilterPlugin & ScorePlugin {
  const strategy = args.scoringStrategy ?? DEFAULT_STRATEGY;
  return {
    name: NAME,
    local: true,
    events: [
      { resource: "AssignedPod", actions: ["Delete", "UpdatePodScaleDown"], helps: roomMaker(cluster) },
      { resource: "TargetPod", actions: ["UpdatePodScaleDown"] },
      { resource: "Node", actions: ["Add", "UpdateNodeAllocatable"], helps: nodeHasRoom },
    ],
    preFilter: (cycle) => ({ kind: "filter", filter: fitFilter(cycle, args) }),
    preScore: (cycle) => ({ score: resourceScorer(strategy, cycle) }),
  };
}

function fitFilter({ cluster, pod }: Cycle, args: FitArgs): RowFilter {
  const verdicts = insufficiencies();
  const { podCounts } = cluster;
  const podLimits = cluster.resources.column("pods")?.allocatable;
  const wanted = checkedRequests(pod, args).map(([name, amount]) => {
    const column = cluster.resources.column(name);
    return { name, amount, allocatable: column?.allocatable, requested: column?.requested };
  });
  return (row) => {
    let lacking = 0;
    let unresolvable = false;
    if ((podCounts[row] ?? 0) + 1 > (podLimits?.[row] ?? 0)) lacking = 1;
    for (let index = 0; index < wanted.length; index++) {
      const resource = wanted[index];
      if (!resource) continue;
      const allocatable = resource.allocatable?.[row] ?? 0;
      if (resource.amount <= allocatable - (resource.requested?.[row] ?? 0)) continue;
      lacking |= 2 << index;
      if (resource.amount > allocatable) unresolvable = true;
    }
    return lacking === 0 ? undefined : verdicts(lacking, unresolvable, wanted);
  };
}

/** cpu, memory and ephemeral storage first: the order of reasons in kube-scheduler. */
function checkedRequests(pod: PodInfo, args: FitArgs): [string, number][] {
  const first = ["cpu", "memory", "ephemeral-storage"].flatMap((name): [string, number][] => {
    const amount = pod.requests.get(name);
    return amount === undefined ? [] : [[name, amount]];
  });
  const others = Array.from(pod.requests).filter(
    ([name]) => !["cpu", "memory", "ephemeral-storage", "pods"].includes(name) && !isIgnored(name, args),
  );
  // A bit each, with one for the number of pods: more than 30 kinds of resources in one pod are not told apart.
  return [...first, ...others].slice(0, 30);
}

function isIgnored(name: string, args: FitArgs): boolean {
  if (!name.includes("/") || name.startsWith("kubernetes.io/")) return false;
  const group = name.slice(0, name.indexOf("/"));
  return (args.ignoredResources?.includes(name) ?? false) || (args.ignoredResourceGroups?.includes(group) ?? false);
}

/** Verdicts by which resources lack (bit 0: pods, then in order), each made once. */
function insufficiencies(): (lacking: number, unresolvable: boolean, wanted: readonly { name: string }[]) => Verdict {
  const known = new Map<number, Verdict>();
  return (lacking, unresolvable, wanted) => {
    const key = unresolvable ? -lacking : lacking;
    let made = known.get(key);
    if (!made) {
      const reasons = wanted.filter((_, index) => lacking & (2 << index)).map(({ name }) => `Insufficient ${name}`);
      if (lacking & 1) reasons.unshift("Too many pods");
      made = verdict(NAME, unresolvable ? "UnschedulableAndUnresolvable" : "Unschedulable", ...reasons);
      known.set(key, made);
    }
    return made;
  };
}

/** A pod that went away or shrank helps when there is room where it was, beside those that have been promised theirs. */
function roomMaker(cluster: ClusterState): NonNullable<EventInterest["helps"]> {
  return (pod, { before }) => {
    const row = cluster.rowByName.get((before as Pod | undefined)?.spec?.nodeName ?? "");
    if (row === undefined) return freesSome(pod, before);
    const promised = nominatedOn(cluster, row, pod);
    const slots = (cluster.resources.column("pods")?.allocatable[row] ?? 0) - (cluster.podCounts[row] ?? 0);
    if (slots - promised.length < 1) return false;
    for (const [name, amount] of pod.requests) {
      const column = cluster.resources.column(name);
      const taken = promised.reduce((sum, { info }) => sum + (info.requests.get(name) ?? 0), 0);
      if (amount > (column?.allocatable[row] ?? 0) - (column?.requested[row] ?? 0) - taken) return false;
    }
    return true;
  };
}

/** Of a node that is not there: it had some of what the waiting pod asks for. */
function freesSome(pod: PodInfo, before: object | undefined): boolean {
  if (pod.requests.size === 0) return true;
  const freed = podRequestNames(before as Pod | undefined);
  return freed.size === 0 || Array.from(pod.requests.keys()).some((name) => freed.has(name));
}

function podRequestNames(pod: Pod | undefined): Set<string> {
  const containers = [...(pod?.spec?.containers ?? []), ...(pod?.spec?.initContainers ?? [])];
  return new Set(containers.flatMap((container) => Object.keys(container.resources?.requests ?? {})));
}

/** A node helps when the pod would fit on it were it empty. */
function nodeHasRoom(pod: PodInfo, { after }: { after?: object }): boolean {
  const amounts = resourceAmounts((after as Node).status?.allocatable ?? (after as Node).status?.capacity);
  if ((amounts.get("pods") ?? 0) < 1) return false;
  return Array.from(pod.requests).every(([name, amount]) => amount <= (amounts.get(name) ?? 0));
}
