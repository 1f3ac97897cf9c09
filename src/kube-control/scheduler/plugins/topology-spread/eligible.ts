import { untoleratedTaint } from "#formats/tolerations.ts";
import { matchesPodNodeAffinity } from "#formats/node-selectors.ts";
import type { Cycle } from "../../framework/plugin.ts";
import type { Constraint } from "./constraints.ts";

/** Whether a node's domain counts for a constraint: that it has all labels, and, as the constraint says, suits the pod's affinity and tolerations. */
export type Eligible = (row: number) => boolean;

/** Judges nodes for one constraint; `columns`: labels that a node must have. */
export function eligibility(
  { cluster, pod }: Cycle,
  constraint: Constraint,
  columns: readonly { readonly values: Int32Array }[],
): Eligible {
  const { spec } = pod.pod;
  const checks: Eligible[] = [(row) => columns.every(({ values }) => values[row] !== 0)];
  const affine =
    spec?.nodeSelector !== undefined || spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (constraint.honorAffinity && affine && spec) {
    checks.push((row) => {
      const node = cluster.nodes[row];
      return node !== undefined && matchesPodNodeAffinity(spec, node);
    });
  }
  if (constraint.honorTaints) {
    checks.push(
      (row) => untoleratedTaint(cluster.taints.taints(cluster.taints.sets[row] ?? 0), spec?.tolerations) === undefined,
    );
  }
  return (row) => checks.every((check) => check(row));
}
