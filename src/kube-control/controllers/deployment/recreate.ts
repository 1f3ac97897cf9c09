import type { ReconcileResult } from "#kube-client/reconcile-loop.ts";
import { BY_CONTROLLER } from "../shared/ownership.ts";
import { isFinished } from "../shared/pods.ts";
import { actualPods, isSized, replicasOf } from "./arithmetic.ts";
import type { DeploymentParts, Rollout } from "./parts.ts";
import { isComplete } from "./status.ts";
import { cleanUp, finish, resize, withNewReplicaSet } from "./writes.ts";

/** One step of replacing all pods at once: end the old ones, wait until they are gone, start the new ones. */
export async function recreate(parts: DeploymentParts, seen: Rollout): Promise<ReconcileResult> {
  const rollout = await withNewReplicaSet(parts, seen, false);
  if (!rollout) return undefined;
  let shrunk = false;
  for (const replicaSet of rollout.old.filter(isSized)) {
    shrunk = (await resize(parts, rollout, { replicaSet, to: 0 })) || shrunk;
  }
  if (shrunk || oldPodsRun(parts, rollout)) return finish(parts, rollout, rollout.deployment);
  const complete = await withNewReplicaSet(parts, rollout, true);
  if (!complete?.newOne) return undefined;
  const { deployment, newOne } = complete;
  await resize(parts, complete, { replicaSet: newOne, to: replicasOf(deployment) });
  if (isComplete(deployment, deployment.status ?? {})) await cleanUp(parts, complete);
  return finish(parts, complete, deployment);
}

/** Old pods that still run or are still ending. */
function oldPodsRun(parts: DeploymentParts, { old }: Rollout): boolean {
  if (actualPods(old) > 0) return true;
  return old.some(({ metadata }) =>
    parts.pods.cache.byIndex(BY_CONTROLLER, metadata.uid ?? "").some((pod) => !isFinished(pod)),
  );
}
