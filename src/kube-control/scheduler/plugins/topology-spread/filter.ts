import type { PodCounts } from "../../cluster/pod-groups.ts";
import type { Cycle, RowFilter } from "../../framework/plugin.ts";
import { verdict } from "../../framework/verdict.ts";
import { matchesSelector } from "#formats/selectors.ts";
import { selects, type Constraint } from "./constraints.ts";
import { eligibility } from "./eligible.ts";

const NAME = "PodTopologySpread";
const SKEWED = verdict(NAME, "Unschedulable", "node(s) didn't match pod topology spread constraints");
const NO_LABEL = verdict(
  NAME,
  "UnschedulableAndUnresolvable",
  "node(s) didn't match pod topology spread constraints (missing required label)",
);

interface Spread {
  readonly values: Int32Array;
  /** Matching pods by domain. */
  readonly counts: Float64Array;
  /** The most that a domain may have before this pod joins it. */
  readonly most: number;
}

/** Placed pods of the namespace, not being deleted, that the constraint's selector matches, by row. */
export function matchingPods(counts: PodCounts, { pod }: Cycle, { key, selector }: Constraint): Int32Array {
  return counts.count(
    `spread\n${key}`,
    ({ namespace, labels, terminating }) =>
      !terminating && namespace === pod.namespace && matchesSelector(selector, labels),
  );
}

/** DoNotSchedule: no domain may get further ahead of the least populated one than maxSkew. */
export function spreadFilter(cycle: Cycle, constraints: readonly Constraint[], counts: PodCounts): RowFilter {
  const columns = constraints.map(({ topologyKey }) => cycle.cluster.labels.column(topologyKey));
  const spreads = constraints.map((constraint, index): Spread => {
    const column = columns[index] ?? cycle.cluster.labels.column(constraint.topologyKey);
    const sums = domainCounts(cycle, constraint, columns, column, matchingPods(counts, cycle, constraint));
    const self = selects(constraint, cycle.pod) ? 1 : 0;
    const lowest = lowestCount(sums, constraint.minDomains);
    return { values: column.values, counts: sums, most: constraint.maxSkew + lowest - self };
  });
  return (row) => {
    for (const { values, counts: sums, most } of spreads) {
      const domain = values[row] ?? 0;
      if (domain === 0) return NO_LABEL;
      // A domain that does not count at all (NaN) has no pods.
      const count = sums[domain] ?? 0;
      if ((Number.isNaN(count) ? 0 : count) > most) return SKEWED;
    }
    return undefined;
  };
}

/** Matching pods by domain; NaN for domains without an eligible node. */
function domainCounts(
  cycle: Cycle,
  constraint: Constraint,
  columns: readonly { readonly values: Int32Array }[],
  column: { readonly values: Int32Array; readonly size: number },
  amounts: Int32Array,
): Float64Array {
  const eligible = eligibility(cycle, constraint, columns);
  const sums = new Float64Array(column.size).fill(Number.NaN);
  for (const row of cycle.cluster.rows) {
    if (!eligible(row)) continue;
    const domain = column.values[row] ?? 0;
    const before = sums[domain] ?? Number.NaN;
    sums[domain] = (Number.isNaN(before) ? 0 : before) + (amounts[row] ?? 0);
  }
  return sums;
}

/** The count of the least populated domain; 0 when there are fewer domains than there should be. */
function lowestCount(sums: Float64Array, minDomains: number): number {
  let lowest = Number.POSITIVE_INFINITY;
  let domains = 0;
  for (const sum of sums) {
    if (Number.isNaN(sum)) continue;
    domains++;
    lowest = Math.min(lowest, sum);
  }
  return domains < minDomains || domains === 0 ? 0 : lowest;
}
