import type { Node, NodeSelectorTerm, Pod } from "#formats/kube-types.generated.ts";
import { matchesPodNodeAffinity } from "#formats/node-selectors.ts";
import { anyTermMatcher, podNodeMatcher, termMatcher } from "../cluster/node-matcher.ts";
import type { FilterPlugin, ScorePlugin } from "../framework/plugin.ts";
import { normalizeByHighest } from "../framework/score.ts";
import { verdict } from "../framework/verdict.ts";

const NAME = "NodeAffinity";
const MISMATCH = verdict(NAME, "UnschedulableAndUnresolvable", "node(s) didn't match Pod's node affinity/selector");
const ENFORCED = verdict(NAME, "UnschedulableAndUnresolvable", "node(s) didn't match scheduler-enforced node affinity");
const CONFLICT = verdict(NAME, "UnschedulableAndUnresolvable", "pod affinity terms conflict");

/** Affinity that the scheduler's configuration adds to every pod's (NodeAffinityArgs.addedAffinity). */
export interface AddedAffinity {
  readonly requiredDuringSchedulingIgnoredDuringExecution?: { readonly nodeSelectorTerms: readonly NodeSelectorTerm[] };
  readonly preferredDuringSchedulingIgnoredDuringExecution?: readonly {
    readonly weight: number;
    readonly preference: NodeSelectorTerm;
  }[];
}

/** nodeSelector and node affinity: required terms filter, preferred ones score. */
export function nodeAffinityPlugin(added: AddedAffinity = {}): FilterPlugin & ScorePlugin {
  const addedTerms = added.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  return {
    name: NAME,
    local: true,
    events: [
      {
        resource: "Node",
        actions: ["Add", "UpdateNodeLabel"],
        helps: ({ pod }, { before, after }) =>
          fits(pod, after as Node) && (before === undefined || !fits(pod, before as Node)),
      },
    ],
    preFilter({ pod, cluster }) {
      const spec = pod.pod.spec;
      const required = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
      if (!required && !spec?.nodeSelector && !addedTerms) return { kind: "skip" };
      const nodeNames = namedNodes(required?.nodeSelectorTerms);
      if (nodeNames?.size === 0) return { kind: "reject", verdict: CONFLICT };
      const enforced = addedTerms && anyTermMatcher(cluster, addedTerms);
      const matches = podNodeMatcher(cluster, spec);
      return {
        kind: "filter",
        nodeNames,
        filter(row) {
          if (enforced && !enforced(row)) return ENFORCED;
          return matches === undefined || matches(row) ? undefined : MISMATCH;
        },
      };
    },
    preScore({ pod, cluster }) {
      const preferred = pod.pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
      const terms = [...(added.preferredDuringSchedulingIgnoredDuringExecution ?? []), ...preferred]
        .filter(({ weight, preference }) => weight !== 0 && !isEmptyTerm(preference))
        .map(({ weight, preference }) => ({ weight, matches: termMatcher(cluster, preference) }));
      if (terms.length === 0) return undefined;
      return {
        score: (row) => terms.reduce((sum, { weight, matches }) => (matches(row) ? sum + weight : sum), 0),
        normalize: (scores) => normalizeByHighest(scores, false),
      };
    },
  };
}

function fits(pod: Pod, node: Node): boolean {
  return pod.spec === undefined || matchesPodNodeAffinity(pod.spec, node);
}

function isEmptyTerm({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm): boolean {
  return matchExpressions.length + matchFields.length === 0;
}

/** The node names that the terms allow, when every term names some; undefined otherwise. */
function namedNodes(terms: readonly NodeSelectorTerm[] | undefined): Set<string> | undefined {
  if (!terms || terms.length === 0) return undefined;
  const names = new Set<string>();
  for (const term of terms) {
    const lists = (term.matchFields ?? [])
      .filter(({ key, operator }) => key === "metadata.name" && operator === "In")
      .map(({ values }) => new Set(values));
    const [first, ...others] = lists;
    if (!first) return undefined;
    for (const name of others.reduce((left, list) => left.intersection(list), first)) names.add(name);
  }
  return names;
}
