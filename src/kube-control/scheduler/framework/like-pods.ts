import type { Random } from "#base/random.ts";
import { nodeName } from "../cluster/cluster-state.ts";
import type { Decision } from "./decide.ts";
import { diagnose, firstObjection, type PreparedFilters } from "./find-feasible.ts";
import { kindTable, verdictsOf, type Kind } from "./kinds.ts";
import type { Cycle, RowScorer } from "./plugin.ts";
import type { Profile, WeightedScore } from "./profile.ts";
import {
  addWeighted,
  bestNodes,
  concerns,
  pickHighest,
  rawScores,
  TOLD_NODES,
  type NodeScore,
  type PluginScores,
} from "./score.ts";
import type { Verdict } from "./verdict.ts";

/** What is remembered for pods that come in numbers: of a thousand like pods each judges only the nodes that the one before changed. */
export interface LikePods {
  /**
   * Decides as without memory would be decided. With pods that have places promised, every filter must be local; no filter may have named its nodes;
   * and every feasible node is compared.
   */
  decide(cycle: Cycle, prepared: PreparedFilters, random: Random): Decision;
}

/** Makes an empty memory for a profile over one cluster. */
export function likePods(profile: Profile): LikePods {
  const kindOf = kindTable(profile);
  const scratch = scratchArrays();
  const others = profile.scores.filter(({ plugin }) => !plugin.local);
  return {
    decide(cycle, prepared, random) {
      const kind = kindOf(cycle, prepared);
      const local = prepared.localCount === prepared.filters.length;
      if (local && kind.passing.size === 0) return refused(cycle, prepared, kind);
      const scorers = others.filter(({ plugin }) => concerns(plugin, cycle));
      const even = kind.varying.every(({ histogram }) => histogram.size <= 1);
      if (local && scorers.length === 0 && even) return pickFrom(cycle, kind, random);
      return compare(cycle, prepared, kind, scorers, random, scratch);
    },
  };
}

function refused({ cluster }: Cycle, prepared: PreparedFilters, kind: Kind): Decision {
  return { kind: "unschedulable", diagnosis: diagnose(cluster, prepared, verdictsOf(kind)) };
}

/** Nothing but the local plugins' fixed scores tells nodes apart: the highest is known. */
function pickFrom(cycle: Cycle, kind: Kind, random: Random): Decision {
  const { passing } = kind;
  const row = passing.pick(random.next);
  const scores = passing.size === 1 ? undefined : bestOf(cycle, kind);
  return { kind: "placed", row, nodeName: nodeName(cycle.cluster, row), scores };
}

/** The best nodes when all of a plugin's normalized scores are the same. */
function bestOf(cycle: Cycle, kind: Kind): NodeScore[] {
  const rows = Int32Array.from(kind.passing.best(TOLD_NODES));
  const local = [...kind.fixed, ...kind.varying.map(({ weighted }) => weighted)];
  return bestNodes(cycle.cluster, tellScores(cycle, local, rows));
}

function tellScores(cycle: Cycle, plugins: readonly WeightedScore[], rows: Int32Array) {
  const total = new Float64Array(rows.length);
  const byPlugin: PluginScores[] = [];
  for (const { plugin, weight } of plugins) {
    const scorer = plugin.preScore(cycle, rows);
    if (!scorer) continue;
    const scores = rawScores(scorer, rows, new Float64Array(rows.length));
    scorer.normalize?.(scores, rows);
    addWeighted(total, scores, weight);
    byPlugin.push({ plugin: plugin.name, weight, scores });
  }
  return { rows, total, byPlugin };
}

/** Arrays that are used anew in every decision, since making them is most of its cost. */
interface Scratch {
  rows(length: number): Int32Array;
  scores(index: number, length: number): Float64Array;
}

function scratchArrays(): Scratch {
  let rows = new Int32Array(0);
  const scores: Float64Array[] = [];
  return {
    rows(length) {
      if (rows.length < length) rows = new Int32Array(length * 2);
      return rows;
    },
    scores(index, length) {
      let array = scores[index];
      if (!array || array.length < length) {
        array = new Float64Array(length * 2);
        scores[index] = array;
      }
      return array.subarray(0, length);
    },
  };
}

/** All passing nodes that the other filters let pass, compared by all scores. */
function compare(
  cycle: Cycle,
  prepared: PreparedFilters,
  kind: Kind,
  scorers: readonly WeightedScore[],
  random: Random,
  scratch: Scratch,
): Decision {
  const { cluster } = cycle;
  const filters = prepared.filters.slice(prepared.localCount);
  const all = scratch.rows(cluster.rows.length);
  let count = 0;
  const { places, scores: fixedScores } = kind.passing;
  const [only] = filters;
  const passes = only && filters.length === 1 ? only : (row: number) => firstObjection(filters, row);
  if (!only) {
    for (const row of cluster.rows) if ((places[row] ?? -1) >= 0) all[count++] = row;
  } else {
    for (const row of cluster.rows) if ((places[row] ?? -1) >= 0 && passes(row) === undefined) all[count++] = row;
  }
  if (count === 0) return refusedByOthers(cycle, prepared, kind);
  const rows = all.subarray(0, count);
  const row = count === 1 ? (rows[0] ?? 0) : undefined;
  if (row !== undefined) return { kind: "placed", row, nodeName: nodeName(cluster, row), scores: undefined };
  const total = scratch.scores(0, count);
  for (let index = 0; index < count; index++) total[index] = fixedScores[rows[index] ?? 0] ?? 0;
  const byPlugin: PluginScores[] = [];
  const add = ({ plugin, weight }: WeightedScore, scorer: RowScorer, scores: Float64Array): void => {
    scorer.normalize?.(scores, rows);
    addWeighted(total, scores, weight);
    byPlugin.push({ plugin: plugin.name, weight, scores });
  };
  for (const { weighted, raw, histogram } of kind.varying) {
    // The same for all nodes: it decides nothing.
    if (histogram.size <= 1) continue;
    const scorer = weighted.plugin.preScore(cycle, rows);
    if (!scorer) continue;
    const scores = scratch.scores(1 + byPlugin.length, count);
    for (let index = 0; index < count; index++) scores[index] = raw[rows[index] ?? 0] ?? 0;
    add(weighted, scorer, scores);
  }
  for (const weighted of scorers) {
    const scorer = weighted.plugin.preScore(cycle, rows);
    if (scorer) add(weighted, scorer, rawScores(scorer, rows, scratch.scores(1 + byPlugin.length, count)));
  }
  const chosen = rows[pickHighest(total, random.next)] ?? 0;
  const told = bestNodes(cluster, { rows, total, byPlugin }).map((each) => withFixed(each, cycle, kind));
  return { kind: "placed", row: chosen, nodeName: nodeName(cluster, chosen), scores: told };
}

/** Adds what the plugins gave whose scores are known only as a sum, and those that gave all nodes the same. */
function withFixed(score: NodeScore, cycle: Cycle, kind: Kind): NodeScore {
  const row = cycle.cluster.rowByName.get(score.node) ?? 0;
  const even = kind.varying.filter(({ histogram }) => histogram.size <= 1).map(({ weighted }) => weighted);
  const { byPlugin } = tellScores(cycle, [...kind.fixed, ...even], Int32Array.of(row));
  const more = Object.fromEntries(byPlugin.map(({ plugin, scores }) => [plugin, scores[0] ?? 0]));
  const missing = even.reduce((sum, { plugin }) => sum + (more[plugin.name] ?? 0), 0);
  return { ...score, total: score.total + missing, byPlugin: { ...more, ...score.byPlugin } };
}

function refusedByOthers(cycle: Cycle, prepared: PreparedFilters, kind: Kind): Decision {
  const filters = prepared.filters.slice(prepared.localCount);
  const verdicts = new Map<number, Verdict>(verdictsOf(kind));
  for (const row of cycle.cluster.rows) {
    const objection = kind.passing.has(row) ? firstObjection(filters, row) : undefined;
    if (objection) verdicts.set(row, objection);
  }
  return { kind: "unschedulable", diagnosis: diagnose(cycle.cluster, prepared, verdicts) };
}
