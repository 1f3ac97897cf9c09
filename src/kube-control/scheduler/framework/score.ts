import type { Cycle } from "./plugin.ts";
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

/** PreScore, Score, NormalizeScore and the weighted sum, over feasible rows. */
export function scoreRows(plugins: readonly WeightedScore[], cycle: Cycle, rows: Int32Array): Scores {
  const total = new Float64Array(rows.length);
  const byPlugin: PluginScores[] = [];
  for (const { plugin, weight } of plugins) {
    const scorer = plugin.preScore(cycle, rows);
    if (!scorer) continue;
    const scores = new Float64Array(rows.length);
    for (let index = 0; index < rows.length; index++) scores[index] = scorer.score(rows[index] ?? 0);
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

/** The index of a highest score, each of several with the same chance. */
export function pickHighest(total: Float64Array, random: () => number): number {
  let best = -1;
  let score = Number.NEGATIVE_INFINITY;
  let ties = 0;
  for (let index = 0; index < total.length; index++) {
    const each = total[index] ?? 0;
    if (each > score) {
      best = index;
      score = each;
      ties = 1;
    } else if (each === score && random() * ++ties < 1) best = index;
  }
  return best;
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
