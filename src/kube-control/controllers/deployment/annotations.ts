import type { Deployment, ReplicaSet } from "#formats/kube-types.generated.ts";
import { maxSurge } from "./arithmetic.ts";

export const REVISION = "deployment.kubernetes.io/revision";
export const REVISION_HISTORY = "deployment.kubernetes.io/revision-history";
export const DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas";
export const MAX_REPLICAS = "deployment.kubernetes.io/max-replicas";

/** A deployment's own annotations, which its replica sets do not take over. */
const NOT_COPIED = [
  "kubectl.kubernetes.io/last-applied-configuration",
  REVISION,
  REVISION_HISTORY,
  DESIRED_REPLICAS,
  MAX_REPLICAS,
  "deprecated.deployment.rollback.to",
];
/** The history of revisions forgets its oldest past this many characters. */
const MAX_HISTORY_CHARS = 2000;

type Annotations = Readonly<Record<string, string>>;

/** The revision that a replica set stands for; 0 when it has none. */
export function revisionOf(replicaSet: ReplicaSet): number {
  const revision = Number(replicaSet.metadata.annotations?.[REVISION]);
  return Number.isSafeInteger(revision) ? revision : 0;
}

export function maxRevision(replicaSets: readonly ReplicaSet[]): number {
  return Math.max(0, ...replicaSets.map(revisionOf));
}

/** The number of replicas of the deployment when this replica set was last sized. */
export function desiredReplicas(replicaSet: ReplicaSet): number | undefined {
  return count(replicaSet.metadata.annotations?.[DESIRED_REPLICAS]);
}

/** The largest number of pods that the deployment allowed when this replica set was last sized. */
export function maxReplicas(replicaSet: ReplicaSet): number | undefined {
  return count(replicaSet.metadata.annotations?.[MAX_REPLICAS]);
}

function count(text: string | undefined): number | undefined {
  return text !== undefined && /^[0-9]+$/.test(text) ? Number(text) : undefined;
}

/** The annotations that a deployment's current replica set should have: the deployment's, and a revision newer than all others. */
export function newReplicaSetAnnotations(deployment: Deployment, present: Annotations, revision: number): Annotations {
  const annotations: Record<string, string> = { ...present };
  for (const [name, value] of Object.entries(deployment.metadata.annotations ?? {})) {
    if (!NOT_COPIED.includes(name)) annotations[name] = value;
  }
  const before = present[REVISION];
  const number = Number(before ?? 0);
  if (number >= revision) return annotations;
  annotations[REVISION] = String(revision);
  // It was current before: someone rolled back to it.
  if (before !== undefined) annotations[REVISION_HISTORY] = history(present[REVISION_HISTORY], before);
  return annotations;
}

function history(past: string | undefined, revision: string): string {
  const revisions = [...(past ? past.split(",") : []), revision];
  while (revisions.length > 1 && revisions.join(",").length > MAX_HISTORY_CHARS) revisions.shift();
  return revisions.join(",");
}

/** The annotations that tell, at the next scaling, what the size was measured against. */
export function sizeAnnotations(deployment: Deployment): Annotations {
  const replicas = deployment.spec?.replicas ?? 1;
  return { [DESIRED_REPLICAS]: String(replicas), [MAX_REPLICAS]: String(replicas + maxSurge(deployment)) };
}
