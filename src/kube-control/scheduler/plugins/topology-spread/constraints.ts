import type { Pod, TopologySpreadConstraint } from "#formats/kube-types.generated.ts";
import { matchesSelector, selectorOf, type Requirement, type Selector } from "#formats/selectors.ts";
import { canonicalJson } from "../../../shared/canonical-json.ts";
import type { PodInfo } from "../../cluster/pod-info.ts";

/** A spread constraint of one pod, ready to count with. */
export interface Constraint {
  readonly topologyKey: string;
  readonly maxSkew: number;
  readonly minDomains: number;
  readonly selector: Selector;
  /** The same for constraints that select the same pods of the same namespace. */
  readonly key: string;
  readonly honorAffinity: boolean;
  readonly honorTaints: boolean;
}

/** PodTopologySpreadArgs. */
export interface SpreadArgs {
  readonly defaultConstraints?: readonly TopologySpreadConstraint[];
  readonly defaultingType?: "System" | "List";
}

/** What kube-scheduler spreads by when a pod does not say: nodes and zones, loosely (defaultingType System). */
const SYSTEM_DEFAULTS: readonly TopologySpreadConstraint[] = [
  { topologyKey: "kubernetes.io/hostname", whenUnsatisfiable: "ScheduleAnyway", maxSkew: 3 },
  { topologyKey: "topology.kubernetes.io/zone", whenUnsatisfiable: "ScheduleAnyway", maxSkew: 5 },
];

export interface Constraints {
  readonly constraints: readonly Constraint[];
  /** The built-in defaults: nodes without the labels still count. */
  readonly system: boolean;
}

/**
 * The constraints of a pod that forbid (`DoNotSchedule`) or only prefer (`ScheduleAnyway`); the defaults of `args` for a pod without any, with the
 * selector of the workload it is of.
 */
export function constraintsOf(
  info: PodInfo,
  when: "DoNotSchedule" | "ScheduleAnyway",
  args: SpreadArgs,
  workloadSelector: (pod: Pod) => Selector | undefined,
): Constraints {
  const own = ownConstraints(info);
  if (own) return { constraints: own[when], system: false };
  const system = args.defaultingType !== "List";
  const defaults = (system ? SYSTEM_DEFAULTS : (args.defaultConstraints ?? [])).filter(
    (each) => each.whenUnsatisfiable === when,
  );
  const selector = defaults.length === 0 ? undefined : workloadSelector(info.pod);
  if (!selector || selector.requirements.length === 0) return { constraints: [], system };
  return { constraints: defaults.map((each) => make(info, each, selector)), system };
}

type When = "DoNotSchedule" | "ScheduleAnyway";

const read = new WeakMap<PodInfo, Record<When, readonly Constraint[]>>();

/** The pod's own constraints, read once for each version of it; undefined: it has none. */
function ownConstraints(info: PodInfo): Record<When, readonly Constraint[]> | undefined {
  const given = info.pod.spec?.topologySpreadConstraints ?? [];
  if (given.length === 0) return undefined;
  const known = read.get(info);
  if (known) return known;
  const those = (when: When): Constraint[] =>
    given
      .filter((each) => each.whenUnsatisfiable === when)
      .map((each) => make(info, each, selectorWithKeys(info.pod, each)));
  const made = { DoNotSchedule: those("DoNotSchedule"), ScheduleAnyway: those("ScheduleAnyway") };
  read.set(info, made);
  return made;
}

function make(info: PodInfo, constraint: TopologySpreadConstraint, selector: Selector): Constraint {
  return {
    topologyKey: constraint.topologyKey,
    maxSkew: constraint.maxSkew,
    minDomains: constraint.minDomains ?? 1,
    selector,
    key: canonicalJson([info.namespace, selector.nothing ?? false, selector.requirements]),
    honorAffinity: (constraint.nodeAffinityPolicy ?? "Honor") === "Honor",
    honorTaints: constraint.nodeTaintsPolicy === "Honor",
  };
}

/** matchLabelKeys: the pod's own values of these labels, as further requirements. */
function selectorWithKeys(pod: Pod, constraint: TopologySpreadConstraint): Selector {
  const selector = selectorOf(constraint.labelSelector);
  const own = (constraint.matchLabelKeys ?? []).flatMap((key): Requirement[] => {
    const value = pod.metadata.labels?.[key];
    return value === undefined ? [] : [{ key, operator: "in", values: [value] }];
  });
  return own.length === 0 ? selector : { ...selector, requirements: [...selector.requirements, ...own] };
}

/** Whether the pod counts itself, once placed. */
export function selects({ selector }: Constraint, { pod }: PodInfo): boolean {
  return matchesSelector(selector, pod.metadata.labels);
}
