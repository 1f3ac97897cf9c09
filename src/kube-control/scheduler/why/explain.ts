import { kubeTime } from "#formats/kube-time.ts";
import { nodeName, type ClusterState } from "../cluster/cluster-state.ts";
import type { PodInfo } from "../cluster/pod-info.ts";
import { rowCheck } from "../framework/decide.ts";
import type { Profile } from "../framework/profile.ts";
import type { NodeScore } from "../framework/score.ts";
import type { Explanation, ReasonGroup } from "../run/explanations.ts";
import { nearestRows } from "./nearest.ts";
import { remediesOn, type Remedy } from "./remedies.ts";

/** Why a pod is where it is, or nowhere. */
export interface SchedulingExplanation {
  readonly phase: "Placed" | "Unschedulable" | "Waiting";
  /** When it was last tried. */
  readonly lastAttempt?: string;
  readonly message: string;
  /** Nodes by what was against them at the last attempt, the largest group first. */
  readonly reasons?: readonly ReasonGroup[];
  /** The nodes that come nearest, as the cluster stands, with the first thing that is against each. */
  readonly nearest?: readonly { readonly node: string; readonly reasons: readonly string[] }[];
  /** The smallest changes that would place it, each tried on the filters. */
  readonly remedies?: readonly Remedy[];
  /** For a placed pod: the best nodes and what each plugin gave them. */
  readonly scores?: readonly NodeScore[];
}

/** Remedies and nearest nodes told, and nodes looked at for them, at most: an answer is to be read. */
const MAX_REMEDIES = 10;
const MAX_NEAREST = 5;
const MAX_TRIED = 25;

/** Puts what is known of the last attempt into words; remedies are looked for on the cluster as it stands. */
export function explain(
  last: Explanation | undefined,
  current: { readonly profile: Profile; readonly cluster: ClusterState; readonly info: PodInfo },
): SchedulingExplanation {
  const held = heldBack(current);
  if (held !== undefined) return { phase: "Waiting", message: held };
  if (!last) return notTried(current);
  const lastAttempt = kubeTime(last.atMs);
  if (last.kind === "placed") {
    const message = `placed on node ${last.nodeName}`;
    return { phase: "Placed", lastAttempt, message, ...(last.scores && { scores: last.scores }) };
  }
  return {
    phase: "Unschedulable",
    lastAttempt,
    message: last.message,
    reasons: last.reasons,
    ...help(current),
  };
}

function heldBack({ profile, info }: { profile: Profile; info: PodInfo }): string | undefined {
  if (info.pod.spec?.nodeName) return undefined;
  for (const plugin of profile.preEnqueues) {
    const verdict = plugin.preEnqueue(info.pod);
    if (verdict) return verdict.reasons.join(", ");
  }
  return undefined;
}

function notTried({ info }: { info: PodInfo }): SchedulingExplanation {
  const { nodeName: node } = info.pod.spec ?? {};
  if (node)
    return {
      phase: "Placed",
      message: `on node ${node}; how that came about is no longer known, or was not decided here`,
    };
  return { phase: "Waiting", message: "not tried yet" };
}

/** The nearest nodes, and what would make the pod fit: fewest changes first, then the nodes that are nearest. */
function help(current: {
  readonly profile: Profile;
  readonly cluster: ClusterState;
  readonly info: PodInfo;
}): Pick<SchedulingExplanation, "nearest" | "remedies"> {
  const { profile, cluster, info } = current;
  const rows = nearestRows(cluster, info, MAX_TRIED);
  const check = rowCheck(profile, { cluster, pod: info });
  const nearest = rows.slice(0, MAX_NEAREST).map((row) => ({
    node: nodeName(cluster, row),
    reasons: check(row)?.reasons ?? [],
  }));
  const remedies = rows.flatMap((row) => remediesOn(profile, cluster, info, row));
  return {
    nearest,
    remedies: remedies.sort((a, b) => a.changes.length - b.changes.length).slice(0, MAX_REMEDIES),
  };
}
