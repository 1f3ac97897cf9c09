import type { ClusterState } from "../../cluster/cluster-state.ts";
import type { LabelColumn } from "../../cluster/label-table.ts";
import type { NamespaceTable } from "../../cluster/namespaces.ts";
import type { PodCounts } from "../../cluster/pod-groups.ts";
import type { PodInfo } from "../../cluster/pod-info.ts";
import type { FilterPlugin, RowFilter, RowScorer, ScorePlugin } from "../../framework/plugin.ts";
import { verdict } from "../../framework/verdict.ts";
import { addToDomains, sumByDomain } from "./domains.ts";
import { termIndex, type PlacedTerm } from "./term-index.ts";
import type { Term } from "./terms.ts";

const NAME = "InterPodAffinity";
const NO_AFFINITY = verdict(NAME, "UnschedulableAndUnresolvable", "node(s) didn't match pod affinity rules");
const ANTI_AFFINITY = verdict(NAME, "Unschedulable", "node(s) didn't match pod anti-affinity rules");
const EXISTING = verdict(NAME, "Unschedulable", "node(s) didn't satisfy existing pods anti-affinity rules");

export interface PodAffinityParts {
  readonly cluster: ClusterState;
  readonly counts: PodCounts;
  readonly namespaces: NamespaceTable;
}

/** InterPodAffinityArgs. */
export interface PodAffinityArgs {
  /** What a placed pod's required affinity to the new one adds to a node's score. */
  readonly hardPodAffinityWeight?: number;
  readonly ignorePreferredTermsOfExistingPods?: boolean;
}

type Domains = { readonly values: Int32Array; readonly sums: Float64Array };

/** Pods near to, or away from, other pods: required terms of the new pod and of placed ones filter, preferred ones score. */
export function podAffinityPlugin(parts: PodAffinityParts, args: PodAffinityArgs = {}): FilterPlugin & ScorePlugin {
  const { cluster, counts, namespaces } = parts;
  const index = termIndex(cluster, namespaces);
  /** Placed pods that a set of terms all select, by domain. */
  const matched = (terms: readonly Term[], topologyKey: string): Domains => {
    const column = cluster.labels.column(topologyKey);
    const key = terms.map((term) => term.key).join("\n");
    const amounts = counts.count(`affinity\n${key}`, ({ namespace, labels }) =>
      terms.every((term) => term.matches(namespace, labels)),
    );
    return { values: column.values, sums: sumByDomain(column, cluster.rows, amounts) };
  };
  return {
    name: NAME,
    events: [
      { resource: "AssignedPod", actions: ["Add", "Delete", "UpdatePodLabel"] },
      { resource: "TargetPod", actions: ["UpdatePodLabel"] },
      { resource: "Node", actions: ["Add", "UpdateNodeLabel"] },
    ],
    preFilter({ pod }) {
      const { affinity, antiAffinity } = index.termsOf(pod);
      const repelled = repelledBy(cluster, index.antiAffinity, pod);
      if (affinity.length + antiAffinity.length + repelled.length === 0) return { kind: "skip" };
      const attracted = affinity.map((term) => matched(affinity, term.topologyKey));
      const alone = affinity.length > 0 && attracted.every(isEmpty) && affinity.every((term) => matchesPod(term, pod));
      const away = antiAffinity.map((term) => matched([term], term.topologyKey));
      return { kind: "filter", filter: affinityFilter({ attracted, alone, away, repelled }) };
    },
    preScore: ({ pod }) => scorer(pod),
  };

  function scorer(pod: PodInfo): RowScorer | undefined {
    const { preferredAffinity, preferredAntiAffinity } = index.termsOf(pod);
    const byKey = new Map<string, { column: LabelColumn; sums: Float64Array }>();
    const sumsOf = (topologyKey: string): { column: LabelColumn; sums: Float64Array } => {
      const known = byKey.get(topologyKey);
      if (known) return known;
      const column = cluster.labels.column(topologyKey);
      const made = { column, sums: new Float64Array(column.size) };
      byKey.set(topologyKey, made);
      return made;
    };
    const addOwn = (terms: readonly Term[], sign: 1 | -1): void => {
      for (const term of terms) {
        const { sums } = sumsOf(term.topologyKey);
        matched([term], term.topologyKey).sums.forEach((count, domain) => {
          sums[domain] = (sums[domain] ?? 0) + sign * term.weight * count;
        });
      }
    };
    const addPlaced = (terms: ReadonlyMap<string, PlacedTerm>, factor: number): void => {
      for (const { term, rows } of terms.values()) {
        if (!matchesPod(term, pod)) continue;
        const { column, sums } = sumsOf(term.topologyKey);
        addToDomains(sums, column, rows, factor);
      }
    };
    addOwn(preferredAffinity, 1);
    addOwn(preferredAntiAffinity, -1);
    addPlaced(index.affinity, args.hardPodAffinityWeight ?? 1);
    if (!args.ignorePreferredTermsOfExistingPods) {
      addPlaced(index.preferredAffinity, 1);
      addPlaced(index.preferredAntiAffinity, -1);
    }
    if (byKey.size === 0) return undefined;
    const domains = Array.from(byKey.values(), ({ column, sums }) => ({ values: column.values, sums }));
    return {
      score: (row) => domains.reduce((score, { values, sums }) => score + (sums[values[row] ?? 0] ?? 0), 0),
      normalize: spreadOut,
    };
  }
}

function matchesPod(term: Term, { namespace, pod }: PodInfo): boolean {
  return term.matches(namespace, pod.metadata.labels);
}

/** Domains in which a placed pod does not want this one. */
function repelledBy(cluster: ClusterState, terms: ReadonlyMap<string, PlacedTerm>, pod: PodInfo): Domains[] {
  const domains: Domains[] = [];
  for (const { term, rows } of terms.values()) {
    if (!matchesPod(term, pod)) continue;
    const column = cluster.labels.column(term.topologyKey);
    const sums = new Float64Array(column.size);
    addToDomains(sums, column, rows);
    domains.push({ values: column.values, sums });
  }
  return domains;
}

function isEmpty({ sums }: Domains): boolean {
  return sums.every((sum) => sum === 0);
}

interface AffinityState {
  readonly attracted: readonly Domains[];
  /** Nobody matches yet, but the pod matches itself: the first of its kind may go anywhere that has the labels. */
  readonly alone: boolean;
  readonly away: readonly Domains[];
  readonly repelled: readonly Domains[];
}

function affinityFilter({ attracted, alone, away, repelled }: AffinityState): RowFilter {
  const has = ({ values, sums }: Domains, row: number): boolean => (sums[values[row] ?? 0] ?? 0) > 0;
  return (row) => {
    for (const domains of attracted) {
      if (alone ? (domains.values[row] ?? 0) === 0 : !has(domains, row)) return NO_AFFINITY;
    }
    for (const domains of away) if (has(domains, row)) return ANTI_AFFINITY;
    for (const domains of repelled) if (has(domains, row)) return EXISTING;
    return undefined;
  };
}

/** The lowest score to 0, the highest to 100. */
function spreadOut(scores: Float64Array): void {
  let lowest = Number.POSITIVE_INFINITY;
  let highest = Number.NEGATIVE_INFINITY;
  for (const score of scores) {
    lowest = Math.min(lowest, score);
    highest = Math.max(highest, score);
  }
  const range = highest - lowest;
  for (let index = 0; index < scores.length; index++) {
    scores[index] = range > 0 ? Math.trunc((100 * ((scores[index] ?? 0) - lowest)) / range) : 0;
  }
}
