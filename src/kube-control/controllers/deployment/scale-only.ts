import type { ReconcileResult } from "#kube-client/reconcile-loop.ts";
import type { DeploymentParts, Rollout } from "./parts.ts";
import { planScaling } from "./proportional.ts";
import { countedStatus } from "./status.ts";
import { cleanUp, resize, withNewReplicaSet, writeStatus } from "./writes.ts";

/** Follows a change of the number of replicas, and nothing else: while paused, and before a rollout goes on. */
export async function scaleOnly(
  parts: DeploymentParts,
  seen: Rollout,
  options: { readonly resize: boolean },
): Promise<ReconcileResult> {
  const rollout = options.resize ? await withNewReplicaSet(parts, seen, false) : seen;
  if (!rollout) return undefined;
  const { deployment, newOne, old } = rollout;
  if (options.resize) {
    for (const each of planScaling(deployment, newOne, old)) await resize(parts, rollout, each);
    if (deployment.spec?.paused) await cleanUp(parts, rollout);
  }
  const all = [...old, ...(newOne ? [newOne] : [])];
  await writeStatus(parts, deployment, countedStatus(deployment, all, newOne, parts.context.clock.now()));
  return undefined;
}
