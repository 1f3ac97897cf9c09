import type { Random } from "#base/random.ts";
import { nodeName } from "../cluster/cluster-state.ts";
import type { Diagnosis } from "./diagnosis.ts";
import { diagnose, feasibleRows, prepareFilters } from "./find-feasible.ts";
import type { Cycle } from "./plugin.ts";
import type { Profile } from "./profile.ts";
import { pickHighest, scoreRows, type Scores } from "./score.ts";
import type { Verdict } from "./verdict.ts";

/** Where a pod goes, or why nowhere. */
export type Decision =
  | {
      readonly kind: "placed";
      readonly row: number;
      readonly nodeName: string;
      /** How the feasible nodes scored; undefined when there was only one. */
      readonly scores: Scores | undefined;
      readonly verdicts: ReadonlyMap<number, Verdict>;
    }
  | { readonly kind: "no-nodes" }
  | { readonly kind: "unschedulable"; readonly diagnosis: Diagnosis };

/** One scheduling decision: pure, on the cluster as it stands. `random` decides between nodes of the same score. */
export function decide(profile: Profile, cycle: Cycle, random: Random): Decision {
  const { cluster } = cycle;
  if (cluster.rows.length === 0) return { kind: "no-nodes" };
  const preparation = prepareFilters(profile.filters, cycle);
  if (preparation.kind === "rejected") return { kind: "unschedulable", diagnosis: preparation.diagnosis };
  const verdicts = new Map<number, Verdict>();
  const rows = feasibleRows(preparation.prepared, verdicts);
  const [first] = rows;
  if (first === undefined) {
    return { kind: "unschedulable", diagnosis: diagnose(cluster, preparation.prepared, verdicts) };
  }
  if (rows.length === 1) {
    return { kind: "placed", row: first, nodeName: nodeName(cluster, first), scores: undefined, verdicts };
  }
  const scores = scoreRows(profile.scores, cycle, rows);
  const row = rows[pickHighest(scores.total, random.next)] ?? first;
  return { kind: "placed", row, nodeName: nodeName(cluster, row), scores, verdicts };
}
