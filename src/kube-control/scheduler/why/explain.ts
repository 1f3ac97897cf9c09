import { kubeTime } from "#formats/kube-time.ts";
import { nodeName, type ClusterState } from "../cluster/cluster-state.ts";
import type { PodInfo } from "../cluster/pod-info.ts";
import type { Profile } from "../framework/profile.ts";
import type { Scores } from "../framework/score.ts";
import type { Explanation } from "../run/explanations.ts";
import { remediesOn, type Remedy } from "./remedies.ts";

/** Why a pod is where it is, or nowhere. */
export interface SchedulingExplanation {
  readonly phase: "Placed" | "Unschedulable" | "Waiting";
  /** When it was last tried. */
  readonly lastAttempt?: string;
  readonly message: string;
  /** Nodes by what is against them, the largest group first. */
  readonly reasons?: readonly { readonly reason: string; readonly plugin: string; readonly nodes: readonly string[] }[];
  /** The smallest changes that would place it, each tried on the filters. */
  readonly remedies?: readonly Remedy[];
  /** For a placed pod: the best nodes and what each plugin gave them. */
  readonly scores?: readonly {
    readonly node: string;
    readonly total: number;
    readonly byPlugin: Readonly<Record<string, number>>;
  }[];
}

/** Nodes named in one group, remedies and compared nodes at most: an answer is to be read. */
const MAX_NODES = 20;
const MAX_REMEDIES = 10;
const MAX_TRIED = 50;

/** Puts what is known of the last attempt into words; remedies are looked for on the cluster as it stands. */
export function explain(
  last: Explanation | undefined,
  current: { readonly profile: Profile; readonly cluster: ClusterState; readonly info: PodInfo },
): SchedulingExplanation {
  if (!last) return { phase: "Waiting", message: "not tried yet, or tried long ago" };
  const lastAttempt = kubeTime(last.atMs);
  const { cluster } = current;
  if (last.kind === "placed") {
    const message = `placed on node ${last.nodeName}`;
    return { phase: "Placed", lastAttempt, message, ...(last.scores && { scores: bestScores(cluster, last.scores) }) };
  }
  return {
    phase: "Unschedulable",
    lastAttempt,
    message: last.message,
    reasons: grouped(cluster, last),
    remedies: findRemedies(current),
  };
}

function grouped(
  cluster: ClusterState,
  { diagnosis }: Extract<Explanation, { kind: "unschedulable" }>,
): NonNullable<SchedulingExplanation["reasons"]> {
  const groups = new Map<string, { reason: string; plugin: string; nodes: string[] }>();
  for (const [row, verdict] of diagnosis?.verdicts ?? []) {
    for (const reason of verdict.reasons) {
      const group = groups.get(reason) ?? { reason, plugin: verdict.plugin, nodes: [] };
      group.nodes.push(nodeName(cluster, row));
      groups.set(reason, group);
    }
  }
  return Array.from(groups.values())
    .sort((a, b) => b.nodes.length - a.nodes.length)
    .map((group) => ({ ...group, nodes: group.nodes.slice(0, MAX_NODES) }));
}

/** Fewest changes first. */
function findRemedies({
  profile,
  cluster,
  info,
}: {
  profile: Profile;
  cluster: ClusterState;
  info: PodInfo;
}): Remedy[] {
  const remedies: Remedy[] = [];
  for (const row of cluster.rows.subarray(0, MAX_TRIED)) remedies.push(...remediesOn(profile, cluster, info, row));
  return remedies.sort((a, b) => a.changes.length - b.changes.length).slice(0, MAX_REMEDIES);
}

function bestScores(
  cluster: ClusterState,
  { rows, total, byPlugin }: Scores,
): NonNullable<SchedulingExplanation["scores"]> {
  return Array.from(rows, (row, index) => ({ row, index, total: total[index] ?? 0 }))
    .sort((a, b) => b.total - a.total)
    .slice(0, 5)
    .map(({ row, index, total: sum }) => ({
      node: nodeName(cluster, row),
      total: sum,
      byPlugin: Object.fromEntries(byPlugin.map(({ plugin, scores }) => [plugin, scores[index] ?? 0])),
    }));
}
