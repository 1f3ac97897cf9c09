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
  readonly byPlugin: readonly PluginScores[];
}

/** Raw scores of rows that are known already, by plugin; undefined: not known. */
export type KnownScores = (plugin: ScorePlugin) => Float64Array | undefined;

/** PreScore, Score, NormalizeScore and the weighted sum, over feasible rows. */
export function scoreRows(
  plugins: readonly WeightedScore[],
  cycle: Cycle,
  rows: Int32Array,
  known: KnownScores = () => undefined,
): Scores {
  const total = new Float64Array(rows.length);
  const byPlugin: PluginScores[] = [];
  for (const { plugin, weight } of plugins) {
    const scorer = plugin.preScore(cycle, rows);
    if (!scorer) continue;
    const scores = rawScores(scorer, rows, known(plugin));
    scorer.normalize?.(scores, rows);
    for (let index = 0; index < rows.length; index++) {
      const weighted = (scores[index] ?? 0) * weight;
      scores[index] = weighted;
      total[index] = (total[index] ?? 0) + weighted;
    }
    byPlugin.push({ plugin: plugin.name, weight, scores });
  }
  return { rows, total, byPlugin };
}

function rawScores(scorer: RowScorer, rows: Int32Array, known: Float64Array | undefined): Float64Array {
  const scores = new Float64Array(rows.length);
  if (known) for (let index = 0; index < rows.length; index++) scores[index] = known[rows[index] ?? 0] ?? 0;
  else for (let index = 0; index < rows.length; index++) scores[index] = scorer.score(rows[index] ?? 0);
  return scores;
}

/** The index of a highest score, each of several with the same chance. */
export function pickHighest(total: Float64Array, random: () => number): number {
  let highest = Number.NEGATIVE_INFINITY;
  let count = 0;
  for (const each of total) {
    if (each > highest) {
      highest = each;
      count = 1;
    } else if (each === highest) count++;
  }
  let left = Math.floor(random() * count);
  for (let index = 0; index < total.length; index++) if (total[index] === highest && left-- === 0) return index;
  return -1;
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
