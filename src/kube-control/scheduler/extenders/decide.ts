import { errorText } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import type { Random } from "#base/random.ts";
import type { Node } from "#formats/kube-types.generated.ts";
import { nodeName } from "../cluster/cluster-state.ts";
import { feasible, type Decision } from "../framework/decide.ts";
import type { Cycle } from "../framework/plugin.ts";
import type { Profile } from "../framework/profile.ts";
import { addWeighted, bestNodes, pickHighest, scoreRows } from "../framework/score.ts";
import { verdict, type Verdict } from "../framework/verdict.ts";
import { EXTENDER_SCALE, type Extender } from "./extender.ts";

/**
 * A decision with extenders: they judge the nodes that the plugins let pass. The cluster may change while they are asked, so that the plugins judge
 * once more after it; what is decided holds for the cluster as it is then. Throws what a filter that may not be ignored fails with.
 */
export async function decideWithExtenders(
  profile: Profile,
  cycle: Cycle,
  extenders: readonly Extender[],
  random: Random,
  logger: Logger,
): Promise<Decision> {
  const { cluster } = cycle;
  if (cluster.rows.length === 0) return { kind: "no-nodes" };
  const first = feasible(profile, cycle);
  if (first.kind === "unschedulable") return first;
  const nodes = Array.from(first.rows).flatMap((row) => cluster.nodes[row] ?? []);
  const objections = new Map<string, Verdict>();
  const passed = await filterByAll(cycle, extenders, nodes, objections, logger);
  const scores = await scoresOf(cycle, extenders, passed, logger);
  const second = feasible(profile, cycle);
  if (second.kind === "unschedulable") return second;
  const names = new Set(passed.map(({ metadata }) => metadata.name ?? ""));
  const rows = second.rows.filter((row) => names.has(nodeName(cluster, row)));
  if (rows.length === 0) {
    const verdicts = new Map(second.verdicts);
    for (const [name, objection] of objections) verdicts.set(cluster.rowByName.get(name) ?? -1, objection);
    verdicts.delete(-1);
    const rejectors = new Set(Array.from(verdicts.values(), ({ plugin }) => plugin));
    const nodeCount = cluster.rows.length;
    return {
      kind: "unschedulable",
      diagnosis: { nodeCount, verdicts, absent: undefined, preFilterMessage: "", rejectors },
    };
  }
  const compared = scoreRows(profile.scores, cycle, rows);
  for (const { extender, byName } of scores) {
    const given = Float64Array.from(rows, (row) => byName.get(nodeName(cluster, row)) ?? 0);
    const weight = extender.weight * EXTENDER_SCALE;
    addWeighted(compared.total, given, weight);
    compared.byPlugin.push({ plugin: extender.name, weight, scores: given });
  }
  const row = rows[pickHighest(compared.total, random.next)] ?? 0;
  return { kind: "placed", row, nodeName: nodeName(cluster, row), scores: bestNodes(cluster, compared) };
}

/** One after the other, each on what the one before left. */
async function filterByAll(
  { pod }: Cycle,
  extenders: readonly Extender[],
  nodes: readonly Node[],
  objections: Map<string, Verdict>,
  logger: Logger,
): Promise<readonly Node[]> {
  let left = nodes;
  for (const extender of extenders) {
    if (!extender.filter || left.length === 0) continue;
    try {
      const { passed, failed, unresolvable } = await extender.filter(pod, left);
      const object = (name: string, reason: string, code: Verdict["code"]): void =>
        void objections.set(name, verdict(extender.name, code, reason));
      for (const [name, reason] of failed) object(name, reason, "Unschedulable");
      for (const [name, reason] of unresolvable) object(name, reason, "UnschedulableAndUnresolvable");
      left = left.filter(({ metadata }) => passed.has(metadata.name ?? ""));
    } catch (error) {
      if (!extender.ignorable) throw error;
      logger.warn({ extender: extender.name, error: errorText(error) }, "extender ignored: it did not filter");
    }
  }
  return left;
}

/** Extenders that do not answer give no scores. */
async function scoresOf(
  { pod }: Cycle,
  extenders: readonly Extender[],
  nodes: readonly Node[],
  logger: Logger,
): Promise<{ extender: Extender; byName: ReadonlyMap<string, number> }[]> {
  if (nodes.length <= 1) return [];
  const answers = await Promise.all(
    extenders.map(async (extender) => {
      try {
        const byName = await extender.prioritize?.(pod, nodes);
        return byName ? [{ extender, byName }] : [];
      } catch (error) {
        logger.warn({ extender: extender.name, error: errorText(error) }, "extender ignored: it did not score");
        return [];
      }
    }),
  );
  return answers.flat();
}
