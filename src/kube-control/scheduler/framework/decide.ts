import type { Random } from "#base/random.ts";
import { nodeName } from "../cluster/cluster-state.ts";
import { nominatedOn } from "../cluster/nominations.ts";
import type { Diagnosis } from "./diagnosis.ts";
import {
  diagnose,
  feasibleRows,
  firstObjection,
  prepareFilters,
  type Preparation,
  type PreparedFilters,
} from "./find-feasible.ts";
import type { LikePods } from "./like-pods.ts";
import { nominatedAbove, withSeated } from "./nominated.ts";
import type { Cycle } from "./plugin.ts";
import type { Profile } from "./profile.ts";
import { bestNodes, pickHighest, scoreRows, type NodeScore } from "./score.ts";
import type { Verdict } from "./verdict.ts";

/** Where a pod goes, or why nowhere. */
export type Decision =
  | {
      readonly kind: "placed";
      readonly row: number;
      readonly nodeName: string;
      /** The best of the feasible nodes; undefined when there was nothing to compare. */
      readonly scores: readonly NodeScore[] | undefined;
    }
  | { readonly kind: "no-nodes" }
  | { readonly kind: "unschedulable"; readonly diagnosis: Diagnosis };

/**
 * One scheduling decision, on the cluster as it stands. `random` decides between nodes of the same score; `memory` is what was found out for
 * pods like this one, and changes nothing but the time it takes.
 */
export function decide(profile: Profile, cycle: Cycle, random: Random, memory?: LikePods): Decision {
  const { cluster } = cycle;
  if (cluster.rows.length === 0) return { kind: "no-nodes" };
  const preparation = prepareFilters(profile.filters, cycle);
  if (preparation.kind === "rejected") return { kind: "unschedulable", diagnosis: preparation.diagnosis };
  const { prepared } = preparation;
  const promised = promisedRow(profile, cycle, prepared);
  if (promised !== undefined) return placedOn(cycle, promised);
  const local = prepared.localCount === prepared.filters.length;
  const all = profile.percentageOfNodesToScore >= 100;
  // Pods for one node each are all different kinds.
  if (memory && all && prepared.named.length === 0 && (local || nominatedAbove(cluster, cycle.pod).length === 0)) {
    return memory.decide(cycle, prepared, random);
  }
  const found = feasible(profile, cycle);
  if (found.kind === "unschedulable") return found;
  const rows = shareOf(found.rows, profile.percentageOfNodesToScore, cluster.rows.length, random);
  const [first = 0] = rows;
  if (rows.length === 1) return placedOn(cycle, first);
  const scores = scoreRows(profile.scores, cycle, rows);
  const row = rows[pickHighest(scores.total, random.next)] ?? first;
  return { kind: "placed", row, nodeName: nodeName(cluster, row), scores: bestNodes(cluster, scores) };
}

function placedOn({ cluster }: Cycle, row: number): Decision {
  return { kind: "placed", row, nodeName: nodeName(cluster, row), scores: undefined };
}

/** The node whose pods were driven out for this one: it is taken without comparing, when it will do. */
function promisedRow(profile: Profile, cycle: Cycle, { candidates }: PreparedFilters): number | undefined {
  const row = cycle.cluster.rowByName.get(cycle.pod.pod.status?.nominatedNodeName ?? "");
  if (row === undefined || !candidates.includes(row)) return undefined;
  return rowCheck(profile, cycle)(row) === undefined ? row : undefined;
}

/** Feasible nodes are compared in full up to this number, whatever the share. */
const MIN_COMPARED = 100;

/** percentageOfNodesToScore: as many feasible nodes, from a random one on, as make that share of all nodes. */
function shareOf(rows: Int32Array, percentage: number, nodeCount: number, random: Random): Int32Array {
  const most = Math.max(MIN_COMPARED, Math.trunc((nodeCount * percentage) / 100));
  if (percentage >= 100 || rows.length <= most) return rows;
  const start = Math.floor(random.next() * rows.length);
  return Int32Array.from({ length: most }, (_, index) => rows[(start + index) % rows.length] ?? 0);
}

export type Feasible =
  | { readonly kind: "rows"; readonly rows: Int32Array; readonly verdicts: ReadonlyMap<number, Verdict> }
  | { readonly kind: "unschedulable"; readonly diagnosis: Diagnosis };

/** The nodes that pass all filters: with the pods that have places promised, and without them (an affinity may be to such a pod). */
export function feasible(profile: Profile, cycle: Cycle): Feasible {
  const nominated = nominatedAbove(cycle.cluster, cycle.pod);
  if (nominated.length === 0) return filterRows(profile, cycle);
  const { cluster } = cycle;
  const withThem = withSeated(cluster, nominated, () => filterRows(profile, cycle));
  if (withThem.kind === "unschedulable") return withThem;
  const hosts = new Set(nominated.map((each) => cluster.rowByName.get(each.nodeName) ?? -1));
  const without = prepareFilters(profile.filters, cycle);
  if (without.kind === "rejected") return { kind: "unschedulable", diagnosis: without.diagnosis };
  const verdicts = new Map(withThem.verdicts);
  const rows = withThem.rows.filter((row) => {
    const objection = hosts.has(row) ? firstObjection(without.prepared.filters, row) : undefined;
    if (objection) verdicts.set(row, objection);
    return objection === undefined;
  });
  if (rows.length > 0) return { kind: "rows", rows, verdicts };
  return { kind: "unschedulable", diagnosis: diagnose(cluster, without.prepared, verdicts) };
}

function filterRows(profile: Profile, cycle: Cycle): Feasible {
  const preparation = prepareFilters(profile.filters, cycle);
  if (preparation.kind === "rejected") return { kind: "unschedulable", diagnosis: preparation.diagnosis };
  const { prepared } = preparation;
  const verdicts = new Map<number, Verdict>();
  const rows = feasibleRows(prepared, verdicts);
  if (rows.length > 0) return { kind: "rows", rows, verdicts };
  return { kind: "unschedulable", diagnosis: diagnose(cycle.cluster, prepared, verdicts) };
}

/** Whether one node will do, as the cluster stands whenever it is asked; undefined: it will. */
export function rowCheck(profile: Profile, cycle: Cycle): (row: number) => Verdict | undefined {
  const check = freshCheck(profile, cycle);
  return (row) => {
    const here = nominatedOn(cycle.cluster, row, cycle.pod);
    if (here.length === 0) return check(row);
    return withSeated(cycle.cluster, here, () => check(row)) ?? check(row);
  };
}

/** The same for trials, with whether its answers hang on the node alone. */
export function fitCheck(
  profile: Profile,
  cycle: Cycle,
): { readonly fits: (row: number) => Verdict | undefined; readonly local: boolean } {
  const preparation = prepareFilters(profile.filters, cycle);
  const local =
    preparation.kind === "filters" &&
    preparation.prepared.localCount === preparation.prepared.filters.length &&
    preparation.prepared.named.length === 0 &&
    !preparation.prepared.forNow;
  return { fits: rowCheck(profile, cycle), local };
}

/** Local filters look at the node itself whenever they are asked; others have to be prepared anew. */
function freshCheck(profile: Profile, cycle: Cycle): (row: number) => Verdict | undefined {
  const others = profile.filters.filter(({ local }) => !local);
  let kept: Preparation | undefined;
  return (row) => {
    kept ??= prepareFilters(
      profile.filters.filter(({ local }) => local),
      cycle,
    );
    return checkRow(kept, cycle, row) ?? checkRow(prepareFilters(others, cycle), cycle, row);
  };
}

function checkRow(preparation: Preparation, { cluster }: Cycle, row: number): Verdict | undefined {
  if (preparation.kind === "rejected") return preparation.diagnosis.absent;
  const { filters, candidates, named } = preparation.prepared;
  if (named.length > 0 && !candidates.includes(row)) {
    return diagnose(cluster, preparation.prepared, new Map()).absent;
  }
  return firstObjection(filters, row);
}
