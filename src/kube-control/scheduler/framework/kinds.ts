import { ROWS_REMEMBERED, type ClusterState } from "../cluster/cluster-state.ts";
import { nominatedOn } from "../cluster/nominations.ts";
import type { PodInfo } from "../cluster/pod-info.ts";
import { podSignature } from "../cluster/signature.ts";
import type { Verdicts } from "./diagnosis.ts";
import { firstObjection, type PreparedFilters } from "./find-feasible.ts";
import { withSeated } from "./nominated.ts";
import type { Cycle, RowFilter, RowScorer } from "./plugin.ts";
import type { Profile, WeightedScore } from "./profile.ts";
import { scoreBuckets, type ScoreBuckets } from "./score-buckets.ts";
import { concerns } from "./score.ts";
import type { Verdict } from "./verdict.ts";

/** Raw scores of a plugin that sets them in relation to each other (NormalizeScore), by row, and how often each occurs. */
export interface Varying {
  readonly weighted: WeightedScore;
  readonly raw: Float64Array;
  readonly histogram: Map<number, number>;
}

interface Objection {
  readonly verdict: Verdict;
  count: number;
}

/** What local plugins think of every node, for pods that they cannot tell apart; brought up to date node by node. */
export interface Kind {
  readonly capacity: number;
  /** The cluster's generation that it has seen. */
  seen: number;
  /** Nodes that pass, by the weighted sum of the scores that need no normalizing. */
  readonly passing: ScoreBuckets;
  readonly objections: (Objection | undefined)[];
  readonly byText: Map<string, Objection>;
  /** Nodes that do not pass. */
  objected: number;
  /** In the profile's order. */
  readonly fixed: readonly WeightedScore[];
  readonly varying: readonly Varying[];
}

/** Kinds of pods remembered; one more drops the least recently seen. Each takes some 60 bytes for each node. */
const MAX_KINDS = 32;

/** The kinds of pods that were seen most recently, over one cluster. */
export function kindTable(profile: Profile): (cycle: Cycle, prepared: PreparedFilters) => Kind {
  const kinds = new Map<string, Kind>();
  const kindOf = (cluster: ClusterState, pod: PodInfo, cycle: Cycle): Kind => {
    // By priority, too: who is less important may not take a place that is promised.
    const signature = `${pod.priority}\n${podSignature(pod)}`;
    let kind = kinds.get(signature);
    if (!kind || kind.capacity < cluster.capacity) kind = emptyKind(profile, cycle);
    kinds.delete(signature);
    kinds.set(signature, kind);
    if (kinds.size > MAX_KINDS) for (const oldest of kinds.keys()) if (kinds.delete(oldest)) break;
    return kind;
  };
  return (cycle, prepared) => {
    const kind = kindOf(cycle.cluster, cycle.pod, cycle);
    if (kind.seen !== cycle.cluster.generation) catchUp(kind, cycle, prepared);
    return kind;
  };
}

function emptyKind(profile: Profile, cycle: Cycle): Kind {
  const { capacity } = cycle.cluster;
  const fixed: WeightedScore[] = [];
  const varying: Varying[] = [];
  for (const weighted of profile.scores) {
    if (!weighted.plugin.local || !concerns(weighted.plugin, cycle)) continue;
    const scorer = weighted.plugin.preScore(cycle, cycle.cluster.rows);
    if (scorer?.normalize) varying.push({ weighted, raw: new Float64Array(capacity), histogram: new Map() });
    else if (scorer) fixed.push(weighted);
  }
  return {
    capacity,
    seen: -1,
    passing: scoreBuckets(capacity),
    objections: Array.from({ length: capacity }),
    byText: new Map(),
    objected: 0,
    fixed,
    varying,
  };
}

/** Judges anew the nodes that changed since; all of them when too many did. */
function catchUp(kind: Kind, cycle: Cycle, prepared: PreparedFilters): void {
  const { cluster } = cycle;
  const judge = judging(kind, cycle, prepared);
  const changes = cluster.generation - kind.seen;
  if (kind.seen < 0 || changes > ROWS_REMEMBERED) {
    for (let row = 0; row < cluster.rowLimit; row++) judge(row);
  } else {
    const done = changes > 1 ? new Set<number>() : undefined;
    for (let generation = kind.seen + 1; generation <= cluster.generation; generation++) {
      const row = cluster.changedRows[generation % ROWS_REMEMBERED] ?? 0;
      if (done?.has(row)) continue;
      done?.add(row);
      judge(row);
    }
  }
  kind.seen = cluster.generation;
}

function judging(kind: Kind, cycle: Cycle, { filters, localCount }: PreparedFilters): (row: number) => void {
  const { cluster } = cycle;
  const local = localCount === filters.length ? filters : filters.slice(0, localCount);
  const scorerOf = ({ plugin }: WeightedScore): RowScorer | undefined => plugin.preScore(cycle, cluster.rows);
  const fixed = kind.fixed.map((each) => ({ scorer: scorerOf(each), weight: each.weight }));
  const varying = kind.varying.map((each) => ({ ...each, scorer: scorerOf(each.weighted) }));
  return (row) => {
    forget(kind, row);
    if (!cluster.nodes[row]) return;
    const objection = firstObjection(local, row) ?? takenBy(cycle, local, row);
    if (objection !== undefined) {
      object(kind, row, objection);
      return;
    }
    let sum = 0;
    for (const { scorer, weight } of fixed) sum += weight * (scorer?.score(row) ?? 0);
    kind.passing.set(row, sum);
    for (const { raw, histogram, scorer } of varying) {
      const score = scorer?.score(row) ?? 0;
      raw[row] = score;
      histogram.set(score, (histogram.get(score) ?? 0) + 1);
    }
  };
}

/** What speaks against a node once the pods that were promised it are there. */
function takenBy(cycle: Cycle, filters: readonly RowFilter[], row: number): Verdict | undefined {
  const promised = nominatedOn(cycle.cluster, row, cycle.pod);
  if (promised.length === 0) return undefined;
  return withSeated(cycle.cluster, promised, () => firstObjection(filters, row));
}

function object(kind: Kind, row: number, verdict: Verdict): void {
  const text = `${verdict.plugin}\n${verdict.code}\n${verdict.reasons.join("\n")}`;
  let objection = kind.byText.get(text);
  if (!objection) {
    objection = { verdict, count: 0 };
    kind.byText.set(text, objection);
  }
  objection.count++;
  kind.objections[row] = objection;
  kind.objected++;
}

function forget(kind: Kind, row: number): void {
  const objection = kind.objections[row];
  if (objection) {
    kind.objections[row] = undefined;
    kind.objected--;
    objection.count--;
    return;
  }
  if (!kind.passing.has(row)) return;
  kind.passing.remove(row);
  for (const { raw, histogram } of kind.varying) {
    const score = raw[row] ?? 0;
    const left = (histogram.get(score) ?? 0) - 1;
    if (left > 0) histogram.set(score, left);
    else histogram.delete(score);
  }
}

/** The kind's objections as verdicts; good while the cycle lasts. */
export function verdictsOf(kind: Kind): Verdicts {
  return {
    size: kind.objected,
    get: (row) => kind.objections[row]?.verdict,
    counts: Array.from(kind.byText.values()).filter(({ count }) => count > 0),
    *[Symbol.iterator](): Generator<[number, Verdict]> {
      for (const [row, objection] of kind.objections.entries()) if (objection) yield [row, objection.verdict];
    },
  };
}
