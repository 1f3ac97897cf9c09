import { kubeTime } from "#formats/kube-time.ts";
import type { ClusterState } from "../cluster/cluster-state.ts";
import type { PodInfo } from "../cluster/pod-info.ts";
import type { Profile } from "../framework/profile.ts";
import type { NodeScore } from "../framework/score.ts";
import type { Explanation, ReasonGroup } from "../run/explanations.ts";
import { remediesOn, type Remedy } from "./remedies.ts";

/** Why a pod is where it is, or nowhere. */
export interface SchedulingExplanation {
  readonly phase: "Placed" | "Unschedulable" | "Waiting";
  /** When it was last tried. */
  readonly lastAttempt?: string;
  readonly message: string;
  /** Nodes by what is against them, the largest group first. */
  readonly reasons?: readonly ReasonGroup[];
  /** The smallest changes that would place it, each tried on the filters. */
  readonly remedies?: readonly Remedy[];
  /** For a placed pod: the best nodes and what each plugin gave them. */
  readonly scores?: readonly NodeScore[];
}

/** Remedies told and nodes looked at for them, at most: an answer is to be read. */
const MAX_REMEDIES = 10;
const MAX_TRIED = 50;

/** Puts what is known of the last attempt into words; remedies are looked for on the cluster as it stands. */
export function explain(
  last: Explanation | undefined,
  current: { readonly profile: Profile; readonly cluster: ClusterState; readonly info: PodInfo },
): SchedulingExplanation {
  if (!last) return { phase: "Waiting", message: "not tried yet, or tried long ago" };
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
    remedies: findRemedies(current),
  };
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
