import type { ClusterState } from "../../cluster/cluster-state.ts";
import type { NamespaceTable } from "../../cluster/namespaces.ts";
import type { PodCounts, PodGroup } from "../../cluster/pod-groups.ts";
import type { PodInfo } from "../../cluster/pod-info.ts";
import { topologyOf, type DomainSums } from "../../cluster/topology.ts";
import type { FilterPlugin, RowFilter, RowScorer, ScorePlugin } from "../../framework/plugin.ts";
import { verdict } from "../../framework/verdict.ts";
import { affinityEvents } from "./events.ts";
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

/** Pods near to, or away from, other pods: required terms of the new pod and of placed ones filter, preferred ones score. */
export function podAffinityPlugin(parts: PodAffinityParts, args: PodAffinityArgs = {}): FilterPlugin & ScorePlugin {
  const { cluster, counts, namespaces } = parts;
  const { hardPodAffinityWeight = 1, ignorePreferredTermsOfExistingPods = false } = args;
  const index = termIndex(cluster, namespaces);
  let last: { pod?: PodInfo; asOf: string; scorer: RowScorer | undefined } = { asOf: "", scorer: undefined };
  /** Placed pods that a set of terms all select, by domain. */
  const matched = (terms: readonly Term[], topologyKey: string): DomainSums => {
    const [only] = terms;
    const key = only && terms.length === 1 ? only.key : terms.map((term) => term.key).join("\n");
    const meets = ({ namespace, labels }: PodGroup): boolean => terms.every((term) => term.matches(namespace, labels));
    return counts.byDomain(`affinity\n${key}`, meets, topologyKey);
  };
  /** What placed pods' terms say of this one: of each kind with its factor. */
  const placedTerms = (): [ReadonlyMap<string, PlacedTerm>, number][] => {
    const hard: [ReadonlyMap<string, PlacedTerm>, number][] =
      hardPodAffinityWeight > 0 ? [[index.affinity, hardPodAffinityWeight]] : [];
    if (ignorePreferredTermsOfExistingPods) return hard;
    return [...hard, [index.preferredAffinity, 1], [index.preferredAntiAffinity, -1]];
  };
  return {
    name: NAME,
    events: affinityEvents(namespaces),
    preFilter({ pod }) {
      const { affinity, antiAffinity } = index.termsOf(pod);
      const repelled = repelledBy(index.antiAffinity, pod);
      if (affinity.length + antiAffinity.length + repelled.length === 0) return { kind: "skip" };
      const attracted = affinity.map((term) => matched(affinity, term.topologyKey));
      const alone =
        affinity.length > 0 &&
        attracted.every(({ occupied }) => occupied === 0) &&
        affinity.every((term) => matchesPod(term, pod));
      const away = antiAffinity.map((term) => matched([term], term.topologyKey));
      const filter = affinityFilter(cluster, { attracted, alone, away, repelled });
      return filter ? { kind: "filter", filter } : { kind: "skip", forNow: true };
    },
    concerns: ({ pod }) => scorerFor(pod) !== undefined,
    preScore: ({ pod }) => scorerFor(pod),
  };

  /** Asked for twice in a decision: whether there is one, and for it. */
  function scorerFor(pod: PodInfo): RowScorer | undefined {
    if (cluster.untraced > 0) return scorer(pod);
    const asOf = `${cluster.generation} ${namespaces.version}`;
    if (last.pod !== pod || last.asOf !== asOf) last = { pod, asOf, scorer: scorer(pod) };
    return last.scorer;
  }

  function scorer(pod: PodInfo): RowScorer | undefined {
    const { preferredAffinity, preferredAntiAffinity } = index.termsOf(pod);
    const weighted: WeightedDomains[] = [];
    for (const term of preferredAffinity) weighted.push([matched([term], term.topologyKey), term.weight]);
    for (const term of preferredAntiAffinity) weighted.push([matched([term], term.topologyKey), -term.weight]);
    for (const [terms, factor] of placedTerms()) {
      for (const { term, domains } of terms.values()) {
        if (matchesPod(term, pod)) weighted.push([domains.current(), factor]);
      }
    }
    const uneven = byColumn(weighted).filter((domains) => !isEven(cluster, domains));
    return uneven.length === 0 ? undefined : domainScorer(uneven);
  }
}

/** All nodes get the same from it, so that it decides nothing. */
function isEven(cluster: ClusterState, { topologyKey, sums }: DomainSums): boolean {
  const { domains, nodeCounts } = topologyOf(cluster, topologyKey);
  if (domains.length > FEW_DOMAINS) return false;
  const first = nodeCounts[0] ? 0 : (sums[domains[0] ?? 0] ?? 0);
  return domains.every((domain) => (sums[domain] ?? 0) === first);
}

type WeightedDomains = readonly [domains: DomainSums, weight: number];

/** One sum for each topology key: what several terms give its domains together. */
function byColumn(weighted: readonly WeightedDomains[]): DomainSums[] {
  const columns = Map.groupBy(weighted, ([{ values }]) => values);
  return Array.from(columns, ([values, all]) => {
    const [first] = all;
    if (first && all.length === 1 && first[1] === 1) return first[0];
    const sums = new Float64Array(first?.[0].sums.length ?? 0);
    for (const [domains, weight] of all) {
      if (domains.occupied === 0) continue;
      for (let domain = 1; domain < sums.length; domain++) {
        sums[domain] = (sums[domain] ?? 0) + (domains.sums[domain] ?? 0) * weight;
      }
    }
    return { topologyKey: first?.[0].topologyKey ?? "", values, sums, occupied: 0 };
  });
}

function domainScorer(domains: readonly DomainSums[]): RowScorer {
  const score = (row: number): number => {
    let sum = 0;
    for (const { values, sums } of domains) sum += sums[values[row] ?? 0] ?? 0;
    return sum;
  };
  const [only] = domains;
  if (!only || domains.length > 1) return { score, normalize: spreadOut };
  const { values, sums } = only;
  return {
    score,
    scoreAll(rows, into) {
      for (let index = 0; index < rows.length; index++) into[index] = sums[values[rows[index] ?? 0] ?? 0] ?? 0;
    },
    normalize: spreadOut,
  };
}

function matchesPod(term: Term, { namespace, pod }: PodInfo): boolean {
  return term.matches(namespace, pod.metadata.labels);
}

/** Domains in which a placed pod does not want this one. */
function repelledBy(terms: ReadonlyMap<string, PlacedTerm>, pod: PodInfo): DomainSums[] {
  const domains: DomainSums[] = [];
  for (const placed of terms.values()) if (matchesPod(placed.term, pod)) domains.push(placed.domains.current());
  return domains;
}

interface AffinityState {
  readonly attracted: readonly DomainSums[];
  /** Nobody matches yet, but the pod matches itself: the first of its kind may go anywhere that has the labels. */
  readonly alone: boolean;
  readonly away: readonly DomainSums[];
  readonly repelled: readonly DomainSums[];
}

/** Undefined: as the cluster stands every node passes. */
function affinityFilter(cluster: ClusterState, state: AffinityState): RowFilter | undefined {
  const { alone } = state;
  const attracted = state.attracted.filter((domains) => !attractsAll(cluster, domains, alone));
  const away = state.away.filter(({ occupied }) => occupied > 0);
  const repelled = state.repelled.filter(({ occupied }) => occupied > 0);
  if (attracted.length + away.length + repelled.length === 0) return undefined;
  return (row) => {
    for (const { values, sums } of attracted) {
      const domain = values[row] ?? 0;
      if (alone ? domain === 0 : (sums[domain] ?? 0) <= 0) return NO_AFFINITY;
    }
    for (const { values, sums } of away) if ((sums[values[row] ?? 0] ?? 0) > 0) return ANTI_AFFINITY;
    for (const { values, sums } of repelled) if ((sums[values[row] ?? 0] ?? 0) > 0) return EXISTING;
    return undefined;
  };
}

/** Where there are more domains, looking at all of them costs as much as it saves. */
const FEW_DOMAINS = 64;

function attractsAll(cluster: ClusterState, { topologyKey, sums }: DomainSums, alone: boolean): boolean {
  const { domains, nodeCounts } = topologyOf(cluster, topologyKey);
  if (nodeCounts[0] || domains.length > FEW_DOMAINS) return false;
  return alone || domains.every((domain) => (sums[domain] ?? 0) > 0);
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
