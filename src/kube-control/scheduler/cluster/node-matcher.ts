import type { NodeSelectorRequirement, NodeSelectorTerm, PodSpec } from "#formats/kube-types.generated.ts";
import { meetsRequirement } from "#formats/node-selectors.ts";
import { nodeName, type ClusterState } from "./cluster-state.ts";

export type RowMatcher = (row: number) => boolean;

/** A node selector term over rows, good while the cluster does not change. A term without requirements matches nothing. */
export function termMatcher(cluster: ClusterState, term: NodeSelectorTerm): RowMatcher {
  const { matchExpressions = [], matchFields = [] } = term;
  if (matchExpressions.length + matchFields.length === 0) return () => false;
  const matchers = [
    ...matchExpressions.map((each) => labelMatcher(cluster, each)),
    ...matchFields.map((each) => fieldMatcher(cluster, each)),
  ];
  const [only] = matchers;
  if (only && matchers.length === 1) return only;
  return (row) => matchers.every((matches) => matches(row));
}

/** Rows that one of the terms matches. */
export function anyTermMatcher(cluster: ClusterState, terms: readonly NodeSelectorTerm[]): RowMatcher {
  const matchers = terms.map((term) => termMatcher(cluster, term));
  const [only] = matchers;
  if (only && matchers.length === 1) return only;
  return (row) => matchers.some((matches) => matches(row));
}

/** Rows with all of the labels of a pod's nodeSelector. */
export function selectorMatcher(cluster: ClusterState, selector: Record<string, string> | undefined): RowMatcher {
  const wanted = Object.entries(selector ?? {}).map(([key, value]) => {
    const column = cluster.labels.column(key);
    return { values: column.values, id: column.idOf(value) ?? -1 };
  });
  return (row) => wanted.every(({ values, id }) => values[row] === id);
}

/** Rows that the pod's nodeSelector and required node affinity allow; undefined: it has neither. */
export function podNodeMatcher(cluster: ClusterState, spec: PodSpec | undefined): RowMatcher | undefined {
  const required = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (!required && !spec?.nodeSelector) return undefined;
  const selected = selectorMatcher(cluster, spec?.nodeSelector);
  if (!required) return selected;
  const affine = anyTermMatcher(cluster, required.nodeSelectorTerms);
  return (row) => selected(row) && affine(row);
}

/** Each value of the label is judged once. */
function labelMatcher(cluster: ClusterState, requirement: NodeSelectorRequirement): RowMatcher {
  const column = cluster.labels.column(requirement.key);
  const verdicts: (boolean | undefined)[] = [];
  return (row) => {
    const id = column.values[row] ?? 0;
    return (verdicts[id] ??= meetsRequirement(requirement, column.valueOf(id)));
  };
}

function fieldMatcher(cluster: ClusterState, requirement: NodeSelectorRequirement): RowMatcher {
  if (requirement.key !== "metadata.name") return () => false;
  return (row) => meetsRequirement(requirement, nodeName(cluster, row));
}
