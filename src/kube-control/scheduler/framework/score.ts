import { nodeName, type ClusterState } from "../cluster/cluster-state.ts";
import type { Cycle, RowScorer, ScorePlugin } from "./plugin.ts";
import type { WeightedScore } from "./profile.ts";

/** A plugin's weighted scores, in the order of the rows. */
export interface PluginScores {
  readonly plugin: string;
  readonly weight: number;
  readonly scores: Float64Array;
}

export interface Scores {
  readonly rows: Int32Array;
  readonly total: Float64Array;
  readonly byPlugin: PluginScores[];
}

/** One compared node: what each plugin gave it, weighted, and the sum. */
export interface NodeScore {
  readonly node: string;
  readonly total: number;
  readonly byPlugin: Readonly<Record<string, number>>;
}

/** Compared nodes that a decision tells of. */
export const TOLD_NODES = 5;

/** Whether a plugin has a say on the pod at all. */
export function concerns(plugin: ScorePlugin, cycle: Cycle): boolean {
  return plugin.concerns === undefined || plugin.concerns(cycle);
}

/** PreScore, Score, NormalizeScore and the weighted sum, over feasible rows. */
export function scoreRows(plugins: readonly WeightedScore[], cycle: Cycle, rows: Int32Array): Scores {
  const total = new Float64Array(rows.length);
  const byPlugin: PluginScores[] = [];
  for (const { plugin, weight } of plugins) {
    const scorer = concerns(plugin, cycle) ? plugin.preScore(cycle, rows) : undefined;
    if (!scorer) continue;
    const scores = rawScores(scorer, rows, new Float64Array(rows.length));
    scorer.normalize?.(scores, rows);
    addWeighted(total, scores, weight);
    byPlugin.push({ plugin: plugin.name, weight, scores });
  }
  return { rows, total, byPlugin };
}

/** Fills `scores` with what the plugin gives each row. */
export function rawScores(scorer: RowScorer, rows: Int32Array, scores: Float64Array): Float64Array {
  if (scorer.scoreAll) scorer.scoreAll(rows, scores);
  else for (let index = 0; index < rows.length; index++) scores[index] = scorer.score(rows[index] ?? 0);
  return scores;
}

/** Weighs the scores in place and adds them to the totals. */
export function addWeighted(total: Float64Array, scores: Float64Array, weight: number): void {
  for (let index = 0; index < total.length; index++) {
    const weighted = (scores[index] ?? 0) * weight;
    scores[index] = weighted;
    total[index] = (total[index] ?? 0) + weighted;
  }
}

/** The index of a highest score, each of several with the same chance. */
export function pickHighest(total: Float64Array, random: () => number): number {
  let highest = Number.NEGATIVE_INFINITY;
  let count = 0;
  let first = -1;
  for (let index = 0; index < total.length; index++) {
    const each = total[index] ?? 0;
    if (each > highest) {
      highest = each;
      count = 1;
      first = index;
    } else if (each === highest) count++;
  }
  let left = Math.floor(random() * count);
  if (left === 0) return first;
  for (let index = first + 1; index < total.length; index++) if (total[index] === highest && --left === 0) return index;
  return first;
}

/** The nodes that came first, and what each plugin gave them. */
export function bestNodes(cluster: ClusterState, { rows, total, byPlugin }: Scores): NodeScore[] {
  return highestIndexes(total, TOLD_NODES).map((index) => ({
    node: nodeName(cluster, rows[index] ?? 0),
    total: total[index] ?? 0,
    byPlugin: Object.fromEntries(byPlugin.map(({ plugin, scores }) => [plugin, scores[index] ?? 0])),
  }));
}

function highestIndexes(total: Float64Array, count: number): number[] {
  const found: number[] = [];
  let lowest = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < total.length; index++) {
    const each = total[index] ?? 0;
    if (found.length === count && each <= lowest) continue;
    const place = found.findIndex((other) => (total[other] ?? 0) < each);
    found.splice(place < 0 ? found.length : place, 0, index);
    if (found.length > count) found.pop();
    lowest = total[found.at(-1) ?? 0] ?? 0;
  }
  return found;
}

/** Raw scores to 0 to 100 by the highest; reversed: the lowest raw score is the best (plugins/helper DefaultNormalizeScore). */
export function normalizeByHighest(scores: Float64Array, reverse: boolean): void {
  let highest = 0;
  for (const score of scores) if (score > highest) highest = score;
  for (let index = 0; index < scores.length; index++) {
    if (highest === 0) {
      if (reverse) scores[index] = 100;
      continue;
    }
    const share = Math.trunc(((scores[index] ?? 0) * 100) / highest);
    scores[index] = reverse ? 100 - share : share;
  }
}
