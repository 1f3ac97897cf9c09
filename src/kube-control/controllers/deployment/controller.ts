import { objectKey, type KubeObject, type Typed } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { Deployment, Pod, ReplicaSet } from "#formats/kube-types.generated.ts";
import { selectorOf } from "#formats/selectors.ts";
import type { ReconcileResult } from "#kube-client/reconcile-loop.ts";
import { claim } from "../shared/claims.ts";
import { controller, enqueueFrom, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";
import { doubtfulWrites } from "../shared/doubtful-writes.ts";
import { expectations } from "../shared/expectations.ts";
import { orphanSelectors } from "../shared/orphan-selectors.ts";
import {
  BY_CONTROLLER,
  controllerKey,
  controllerOf,
  indexByController,
  indexOrphans,
  ORPHANS,
} from "../shared/ownership.ts";
import type { DeploymentParts, Rollout } from "./parts.ts";
import { isScaling } from "./proportional.ts";
import { sortOut } from "./replica-sets.ts";
import { recreate } from "./recreate.ts";
import { rollOut } from "./rolling.ts";
import { scaleOnly } from "./scale-only.ts";
import { pauseConditions } from "./status.ts";
import { writeStatus } from "./writes.ts";

const NAME = "deployment-controller";

/** Rolls deployments out: makes, sizes and forgets their replica sets. */
export function deploymentController(context: ControllerContext): Controller {
  const deployments = informerOf(context, RESOURCES.deployments);
  const replicaSets = informerOf(context, RESOURCES.replicasets);
  const pods = informerOf(context, RESOURCES.pods);
  replicaSets.addIndex(BY_CONTROLLER, indexByController);
  replicaSets.addIndex(ORPHANS, indexOrphans);
  pods.addIndex(BY_CONTROLLER, indexByController);
  const expected = expectations<ReplicaSet>(replicaSets, objectKey);
  const parts: DeploymentParts = {
    context,
    deployments,
    replicaSets,
    pods,
    expected,
    writes: doubtfulWrites(context.client, RESOURCES.replicasets, expected),
    events: context.events(NAME),
  };
  const selecting = orphanSelectors(deployments, (deployment) => selectorOf(deployment.spec?.selector));
  return controller(context, {
    name: NAME,
    reconcile: (key) => reconcile(parts, key),
    allKeys: () => Array.from(deployments.cache.values(), objectKey),
    watch: (queue) => [
      parts.expected.requeue(queue),
      enqueueFrom(deployments, queue, (deployment) => [objectKey(deployment)]),
      enqueueFrom(replicaSets, queue, (replicaSet) => {
        const owner = controllerKey(RESOURCES.deployments, replicaSet);
        if (owner !== undefined) return [owner];
        return controllerOf(replicaSet) ? [] : selecting(replicaSet);
      }),
      // Recreate waits for the last old pod to go.
      pods.addHandler({ delete: (pod) => recreating(parts, pod).forEach(queue.add) }),
    ],
  });
}

/** The deployment of a pod when it replaces all pods at once. */
function recreating(parts: DeploymentParts, pod: Pod): string[] {
  const replicaSetKey = controllerKey(RESOURCES.replicasets, pod);
  const replicaSet = replicaSetKey === undefined ? undefined : parts.replicaSets.cache.get(replicaSetKey);
  const key = replicaSet && controllerKey(RESOURCES.deployments, replicaSet);
  const deployment = key === undefined ? undefined : parts.deployments.cache.get(key);
  return key !== undefined && deployment?.spec?.strategy?.type === "Recreate" ? [key] : [];
}

async function reconcile(parts: DeploymentParts, key: string): Promise<ReconcileResult> {
  const deployment = parts.deployments.cache.get(key);
  if (!deployment) {
    parts.expected.forget(key);
    parts.writes.forget(key);
    return undefined;
  }
  if (selectsEverything(deployment)) {
    const text = "This deployment is selecting all pods. A non-empty selector is required.";
    parts.events.record(deployment, "Warning", "SelectingAll", text);
    return undefined;
  }
  await parts.writes.settle(key);
  // Its own last write is not to be seen yet: the event that brings it brings this deployment back.
  if (!parts.expected.satisfied(key)) return undefined;
  const rollout = await observe(parts, key, deployment);
  const { old, newOne } = rollout;
  if (deployment.metadata.deletionTimestamp) return scaleOnly(parts, rollout, { resize: false });
  const conditions = pauseConditions(deployment, rollout.nowMs);
  if (conditions) {
    await writeStatus(parts, deployment, { ...deployment.status, conditions });
    return undefined;
  }
  if (deployment.spec?.paused) return scaleOnly(parts, rollout, { resize: true });
  if (isScaling(deployment, [...old, ...(newOne ? [newOne] : [])])) return scaleOnly(parts, rollout, { resize: true });
  return deployment.spec?.strategy?.type === "Recreate" ? recreate(parts, rollout) : rollOut(parts, rollout);
}

function selectsEverything(deployment: Deployment): boolean {
  const { matchLabels = {}, matchExpressions = [] } = deployment.spec?.selector ?? {};
  return Object.keys(matchLabels).length + matchExpressions.length === 0;
}

async function observe(parts: DeploymentParts, key: string, deployment: Deployment): Promise<Rollout> {
  const { namespace = "", uid = "" } = deployment.metadata;
  const { cache } = parts.replicaSets;
  const claimed = await claim(
    {
      client: parts.context.client,
      resource: RESOURCES.replicasets,
      ownerResource: RESOURCES.deployments as Typed<KubeObject>,
      owner: deployment,
      selector: selectorOf(deployment.spec?.selector),
    },
    [...cache.byIndex(BY_CONTROLLER, uid), ...cache.byIndex(ORPHANS, namespace)],
  );
  return { key, deployment, ...sortOut(deployment, claimed), nowMs: parts.context.clock.now() };
}
