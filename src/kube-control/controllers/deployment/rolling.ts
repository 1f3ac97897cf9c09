import type { ReconcileResult } from "#kube-client/reconcile-loop.ts";
import { isSized, newReplicaSetSize, replicasOf, shrinkOld } from "./arithmetic.ts";
import type { DeploymentParts, Rollout } from "./parts.ts";
import { isComplete } from "./status.ts";
import { cleanUp, finish, resize, withNewReplicaSet } from "./writes.ts";

/** One step of a rolling update: grow the new replica set, or shrink old ones, or be done. */
export async function rollOut(parts: DeploymentParts, seen: Rollout): Promise<ReconcileResult> {
  const rollout = await withNewReplicaSet(parts, seen, true);
  if (!rollout?.newOne) return undefined;
  const { deployment, newOne, old } = rollout;
  const size = nextSize(rollout);
  if (await resize(parts, rollout, { replicaSet: newOne, to: size })) return finish(parts, rollout, deployment);
  let shrunk = false;
  for (const each of shrinkOld(deployment, newOne, old.filter(isSized))) {
    shrunk = (await resize(parts, rollout, each)) || shrunk;
  }
  if (shrunk) return finish(parts, rollout, deployment);
  if (isComplete(deployment, deployment.status ?? {})) await cleanUp(parts, rollout);
  return finish(parts, rollout, deployment);
}

function nextSize({ deployment, newOne, old }: Rollout): number {
  const size = newOne ? replicasOf(newOne) : 0;
  const wanted = replicasOf(deployment);
  if (size >= wanted) return wanted;
  return newReplicaSetSize(deployment, old, size);
}
