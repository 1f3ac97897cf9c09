import type { PodCounts, PodGroup } from "../../cluster/pod-groups.ts";
import { topologyOf } from "../../cluster/topology.ts";
import type { Cycle, RowFilter } from "../../framework/plugin.ts";
import { verdict } from "../../framework/verdict.ts";
import { matchesSelector } from "#formats/selectors.ts";
import { selects, type Constraint } from "./constraints.ts";
import { eligibility, type Eligible } from "./eligible.ts";

const NAME = "PodTopologySpread";
const SKEWED = verdict(NAME, "Unschedulable", "node(s) didn't match pod topology spread constraints");
const NO_LABEL = verdict(
  NAME,
  "UnschedulableAndUnresolvable",
  "node(s) didn't match pod topology spread constraints (missing required label)",
);

interface Spread {
  readonly values: Int32Array;
  /** Matching pods by domain; NaN or nothing for a domain that does not count. */
  readonly counts: Float64Array;
  /** The most that a domain may have before this pod joins it. */
  readonly most: number;
}

/** What a constraint counts: placed pods of the namespace, not being deleted, that its selector matches. */
export function counted({ pod }: Cycle, { key, selector }: Constraint): [string, (group: PodGroup) => boolean] {
  const meets = ({ namespace, labels, terminating }: PodGroup): boolean =>
    !terminating && namespace === pod.namespace && matchesSelector(selector, labels);
  return [`spread\n${key}`, meets];
}

/** DoNotSchedule (undefined: every node passes): no domain may get further ahead of the least populated one than maxSkew. */
export function spreadFilter(
  cycle: Cycle,
  constraints: readonly Constraint[],
  counts: PodCounts,
): RowFilter | undefined {
  const keys = constraints.map(({ topologyKey }) => topologyKey);
  const spreads = constraints.map((constraint): Spread => {
    const { maxSkew, topologyKey } = constraint;
    const self = selects(constraint, cycle.pod) ? 1 : 0;
    const eligible = eligibility(cycle, constraint, keys);
    const { column, domains } = topologyOf(cycle.cluster, topologyKey);
    if (!eligible) {
      const { sums } = counts.byDomain(...counted(cycle, constraint), topologyKey);
      const most = maxSkew + lowestOf(domains, sums, constraint.minDomains) - self;
      return { values: column.values, counts: sums, most };
    }
    const sums = eligibleCounts(cycle, eligible, column, counts.count(...counted(cycle, constraint)));
    const present = domains.filter((domain) => !Number.isNaN(sums[domain] ?? Number.NaN));
    const most = maxSkew + lowestOf(present, sums, constraint.minDomains) - self;
    return { values: column.values, counts: sums, most };
  });
  if (spreads.every((each, index) => passesAll(cycle, keys[index] ?? "", each))) return undefined;
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

function passesAll({ cluster }: Cycle, key: string, { counts, most }: Spread): boolean {
  const { domains, nodeCounts } = topologyOf(cluster, key);
  if (nodeCounts[0]) return false;
  for (const domain of domains) if ((counts[domain] || 0) > most) return false;
  return true;
}

/** Matching pods by domain; NaN for domains without an eligible node. */
export function eligibleCounts(
  { cluster }: Cycle,
  eligible: Eligible,
  column: { readonly values: Int32Array; readonly size: number },
  amounts: Int32Array,
): Float64Array {
  const sums = new Float64Array(column.size).fill(Number.NaN);
  for (const row of cluster.rows) {
    if (!eligible(row)) continue;
    const domain = column.values[row] ?? 0;
    const before = sums[domain] ?? Number.NaN;
    sums[domain] = (Number.isNaN(before) ? 0 : before) + (amounts[row] ?? 0);
  }
  return sums;
}

/** The count of the least populated domain; 0 when there are fewer domains than there should be. */
function lowestOf(domains: Int32Array, sums: Float64Array, minDomains: number): number {
  if (domains.length < minDomains || domains.length === 0) return 0;
  let lowest = Number.POSITIVE_INFINITY;
  for (const domain of domains) {
    const sum = sums[domain] ?? 0;
    if (sum < lowest) lowest = sum;
  }
  return lowest;
}
