import type { ClusterState } from "../cluster/cluster-state.ts";
import type { PodInfo } from "../cluster/pod-info.ts";
import { podSignature } from "../cluster/signature.ts";
import { firstObjection, type PreparedFilters } from "./find-feasible.ts";
import type { Cycle, RowScorer, ScorePlugin } from "./plugin.ts";
import type { Profile } from "./profile.ts";
import type { KnownScores } from "./score.ts";
import type { Verdict } from "./verdict.ts";

/** Verdicts and raw scores of local plugins for one kind of pod, each good until its node changes. */
interface Results {
  /** By row: the node's generation when it was judged; 0: never. */
  readonly generations: Float64Array;
  readonly verdicts: (Verdict | undefined)[];
  readonly scores: ReadonlyMap<ScorePlugin, Float64Array>;
}

/** What is remembered for pods that come in numbers: of a thousand like pods each judges only the nodes that the one before changed. */
export interface LikePods {
  /** Feasible rows and the objections to others; scores that are known of the feasible ones. */
  evaluate(
    cycle: Cycle,
    prepared: PreparedFilters,
    verdicts: Map<number, Verdict>,
  ): { rows: Int32Array; known: KnownScores };
}

/** Kinds of pods remembered; one more drops the least recently seen. Each takes some 40 bytes for each node. */
const MAX_KINDS = 32;

/** Makes an empty memory for a profile over one cluster. */
export function likePods(profile: Profile): LikePods {
  const kinds = new Map<string, Results>();
  const scorers = profile.scores.map(({ plugin }) => plugin).filter(({ local }) => local);
  const resultsFor = (cluster: ClusterState, pod: PodInfo): Results => {
    const signature = podSignature(pod);
    let results = kinds.get(signature);
    if (!results || results.generations.length < cluster.capacity) results = emptyResults(cluster, scorers);
    kinds.delete(signature);
    kinds.set(signature, results);
    if (kinds.size > MAX_KINDS) for (const oldest of kinds.keys()) if (kinds.delete(oldest)) break;
    return results;
  };
  return {
    evaluate(cycle, prepared, verdicts) {
      const { cluster } = cycle;
      const results = resultsFor(cluster, cycle.pod);
      const local = prepared.filters.slice(0, prepared.localCount);
      const others = prepared.filters.slice(prepared.localCount);
      let judge: ((row: number) => void) | undefined;
      const passed = new Int32Array(prepared.candidates.length);
      let count = 0;
      for (const row of prepared.candidates) {
        if (results.generations[row] !== cluster.generations[row]) {
          judge ??= judging(cycle, local, scorers, results);
          judge(row);
        }
        const objection = results.verdicts[row] ?? (others.length > 0 ? firstObjection(others, row) : undefined);
        if (objection === undefined) passed[count++] = row;
        else verdicts.set(row, objection);
      }
      return { rows: passed.subarray(0, count), known: (plugin) => results.scores.get(plugin) };
    },
  };
}

function emptyResults({ capacity }: ClusterState, scorers: readonly ScorePlugin[]): Results {
  return {
    generations: new Float64Array(capacity),
    verdicts: Array.from({ length: capacity }),
    scores: new Map(scorers.map((plugin) => [plugin, new Float64Array(capacity)])),
  };
}

/** Judges a row anew. */
function judging(
  cycle: Cycle,
  filters: PreparedFilters["filters"],
  plugins: readonly ScorePlugin[],
  results: Results,
): (row: number) => void {
  const { cluster } = cycle;
  const scorers = plugins.flatMap((plugin): [RowScorer, Float64Array][] => {
    const scorer = plugin.preScore(cycle, cluster.rows);
    const scores = results.scores.get(plugin);
    return scorer && scores ? [[scorer, scores]] : [];
  });
  return (row) => {
    const objection = firstObjection(filters, row);
    results.verdicts[row] = objection;
    results.generations[row] = cluster.generations[row] ?? 0;
    if (objection !== undefined) return;
    for (const [scorer, scores] of scorers) scores[row] = scorer.score(row);
  };
}
