import { untoleratedTaint } from "#formats/tolerations.ts";
import { podNodeMatcher } from "../../cluster/node-matcher.ts";
import { topologyOf } from "../../cluster/topology.ts";
import type { Cycle } from "../../framework/plugin.ts";
import type { Constraint } from "./constraints.ts";

/** Whether a node's domain counts for a constraint: that it has all labels, and, as the constraint says, suits the pod's affinity and tolerations. */
export type Eligible = (row: number) => boolean;

/** Judges nodes for one constraint; `keys`: labels that a node must have. Undefined: every node will do. */
export function eligibility(
  { cluster, pod }: Cycle,
  constraint: Constraint,
  keys: readonly string[],
): Eligible | undefined {
  const { spec } = pod.pod;
  const checks: Eligible[] = [];
  for (const key of keys) {
    const { column, nodeCounts } = topologyOf(cluster, key);
    if (nodeCounts[0]) checks.push((row) => column.values[row] !== 0);
  }
  const affine = constraint.honorAffinity ? podNodeMatcher(cluster, spec) : undefined;
  if (affine) checks.push(affine);
  if (constraint.honorTaints) {
    const { taints } = cluster;
    const verdicts: (boolean | undefined)[] = [];
    checks.push((row) => {
      const set = taints.sets[row] ?? 0;
      return (verdicts[set] ??= untoleratedTaint(taints.taints(set), spec?.tolerations) === undefined);
    });
  }
  const [only] = checks;
  return checks.length <= 1 ? only : (row) => checks.every((check) => check(row));
}
