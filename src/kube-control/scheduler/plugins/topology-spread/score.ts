import type { PodCounts } from "../../cluster/pod-groups.ts";
import { topologyOf } from "../../cluster/topology.ts";
import type { Cycle, RowScorer } from "../../framework/plugin.ts";
import type { Constraint, Constraints } from "./constraints.ts";
import { eligibility } from "./eligible.ts";
import { counted, eligibleCounts } from "./filter.ts";

const HOSTNAME = "kubernetes.io/hostname";

interface Preference {
  readonly values: Int32Array;
  /** Matching pods by domain, or by row for host names. */
  readonly counts: { readonly [index: number]: number };
  readonly byRow: boolean;
  readonly weight: number;
  readonly maxSkew: number;
}

/** ScheduleAnyway: nodes whose domains have fewer matching pods score higher, domains of which there are many weighing more. */
export function spreadScorer(cycle: Cycle, rows: Int32Array, wanted: Constraints, counts: PodCounts): RowScorer {
  const { cluster } = cycle;
  // Own constraints leave nodes without the labels out of the comparison; the built-in defaults take what there is.
  const required = wanted.system ? [] : wanted.constraints.map(({ topologyKey }) => topologyKey);
  const lacking = required
    .map((key) => topologyOf(cluster, key))
    .filter(({ nodeCounts }) => nodeCounts[0])
    .map(({ column }) => column.values);
  const ignored = (row: number): boolean => {
    for (const values of lacking) if (values[row] === 0) return true;
    return false;
  };
  const compared = lacking.length === 0 ? rows : rows.filter((row) => !ignored(row));
  const preferences = wanted.constraints.map((each) => preference(cycle, compared, each, required, counts));
  const score = (row: number): number => {
    if (lacking.length > 0 && ignored(row)) return 0;
    let sum = 0;
    for (const { values, counts: amounts, byRow, weight, maxSkew } of preferences) {
      const domain = values[row] ?? 0;
      if (domain !== 0) sum += (amounts[byRow ? row : domain] ?? 0) * weight + (maxSkew - 1);
    }
    return Math.round(sum);
  };
  return {
    score,
    scoreAll(all, into) {
      for (let index = 0; index < all.length; index++) into[index] = score(all[index] ?? 0);
    },
    normalize: (scores, scored) => normalize(scores, scored, lacking.length > 0 ? ignored : undefined),
  };
}

function preference(
  cycle: Cycle,
  rows: Int32Array,
  constraint: Constraint,
  required: readonly string[],
  counts: PodCounts,
): Preference {
  const { maxSkew, topologyKey } = constraint;
  const { column, nodeCounts } = topologyOf(cycle.cluster, topologyKey);
  const { values } = column;
  if (topologyKey === HOSTNAME) {
    const amounts = counts.count(...counted(cycle, constraint));
    return { values, maxSkew, weight: Math.log(rows.length + 2), counts: amounts, byRow: true };
  }
  const eligible = eligibility(cycle, constraint, required);
  const sums = eligible
    ? eligibleCounts(cycle, eligible, column, counts.count(...counted(cycle, constraint)))
    : counts.byDomain(...counted(cycle, constraint), topologyKey).sums;
  const weight = Math.log(domainsOf(rows, values, nodeCounts.length) + 2);
  return { values, maxSkew, weight, counts: eligible ? sums.map((sum) => sum || 0) : sums, byRow: false };
}

/** In how many domains the compared nodes are; that of nodes without the label is one, too. */
function domainsOf(rows: Int32Array, values: Int32Array, size: number): number {
  const seen = new Uint8Array(size);
  let count = 0;
  for (const row of rows) {
    const domain = values[row] ?? 0;
    if (seen[domain]) continue;
    seen[domain] = 1;
    if (++count === size) break;
  }
  return count;
}

/** Few pods to 100, many to little; nodes left out get nothing. */
function normalize(scores: Float64Array, rows: Int32Array, ignored: ((row: number) => boolean) | undefined): void {
  let lowest = Number.POSITIVE_INFINITY;
  let highest = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < rows.length; index++) {
    if (ignored?.(rows[index] ?? 0)) continue;
    const score = scores[index] ?? 0;
    if (score < lowest) lowest = score;
    if (score > highest) highest = score;
  }
  for (let index = 0; index < rows.length; index++) {
    if (ignored?.(rows[index] ?? 0)) scores[index] = 0;
    else if (highest === 0) scores[index] = 100;
    else scores[index] = Math.trunc((100 * (highest + lowest - (scores[index] ?? 0))) / highest);
  }
}
