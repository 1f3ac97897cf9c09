import type { PodCounts } from "../../cluster/pod-groups.ts";
import type { Cycle, RowScorer } from "../../framework/plugin.ts";
import type { Constraint, Constraints } from "./constraints.ts";
import { eligibility } from "./eligible.ts";
import { matchingPods } from "./filter.ts";

const HOSTNAME = "kubernetes.io/hostname";

interface Preference {
  readonly values: Int32Array;
  /** Matching pods by domain, or by row for host names. */
  readonly counts: (row: number) => number;
  readonly weight: number;
  readonly maxSkew: number;
}

/** ScheduleAnyway: nodes whose domains have fewer matching pods score higher, domains of which there are many weighing more. */
export function spreadScorer(cycle: Cycle, rows: Int32Array, wanted: Constraints, counts: PodCounts): RowScorer {
  const { cluster } = cycle;
  const columns = wanted.constraints.map(({ topologyKey }) => cluster.labels.column(topologyKey));
  // Own constraints leave nodes without the labels out of the comparison; the built-in defaults take what there is.
  const required = wanted.system ? [] : columns;
  const ignored = new Set(Array.from(rows).filter((row) => required.some(({ values }) => values[row] === 0)));
  const preferences = wanted.constraints.map((constraint, index) =>
    preference(
      cycle,
      rows,
      constraint,
      { required, ignored, values: columns[index]?.values ?? new Int32Array(0) },
      counts,
    ),
  );
  return {
    score(row) {
      if (ignored.has(row)) return 0;
      let sum = 0;
      for (const { values, counts: count, weight, maxSkew } of preferences) {
        if (values[row] !== 0) sum += count(row) * weight + (maxSkew - 1);
      }
      return Math.round(sum);
    },
    normalize: (scores, scored) => normalize(scores, scored, ignored),
  };
}

function preference(
  cycle: Cycle,
  rows: Int32Array,
  constraint: Constraint,
  context: {
    readonly required: readonly { readonly values: Int32Array }[];
    readonly ignored: ReadonlySet<number>;
    readonly values: Int32Array;
  },
  counts: PodCounts,
): Preference {
  const { values, ignored, required } = context;
  const amounts = matchingPods(counts, cycle, constraint);
  const { maxSkew, topologyKey } = constraint;
  if (topologyKey === HOSTNAME) {
    return { values, maxSkew, weight: Math.log(rows.length - ignored.size + 2), counts: (row) => amounts[row] ?? 0 };
  }
  const sums = new Map<number, number>();
  for (const row of rows) if (!ignored.has(row)) sums.set(values[row] ?? 0, 0);
  const eligible = eligibility(cycle, constraint, required);
  for (const row of cycle.cluster.rows) {
    const domain = values[row] ?? 0;
    const sum = sums.get(domain);
    if (sum !== undefined && eligible(row)) sums.set(domain, sum + (amounts[row] ?? 0));
  }
  return { values, maxSkew, weight: Math.log(sums.size + 2), counts: (row) => sums.get(values[row] ?? 0) ?? 0 };
}

/** Few pods to 100, many to little; nodes left out get nothing. */
function normalize(scores: Float64Array, rows: Int32Array, ignored: ReadonlySet<number>): void {
  let lowest = Number.POSITIVE_INFINITY;
  let highest = Number.NEGATIVE_INFINITY;
  for (const [index, row] of rows.entries()) {
    if (ignored.has(row)) continue;
    lowest = Math.min(lowest, scores[index] ?? 0);
    highest = Math.max(highest, scores[index] ?? 0);
  }
  for (const [index, row] of rows.entries()) {
    if (ignored.has(row)) scores[index] = 0;
    else if (highest === 0) scores[index] = 100;
    else scores[index] = Math.trunc((100 * (highest + lowest - (scores[index] ?? 0))) / highest);
  }
}
