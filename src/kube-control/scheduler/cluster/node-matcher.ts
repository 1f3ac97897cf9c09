import type { NodeSelectorRequirement, NodeSelectorTerm } from "#formats/kube-types.generated.ts";
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
