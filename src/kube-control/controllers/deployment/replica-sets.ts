import type { Deployment, PodTemplateSpec, ReplicaSet } from "#formats/kube-types.generated.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import { controllerReference } from "../shared/ownership.ts";
import { semanticEqual } from "../shared/semantic-equal.ts";
import { contentHash } from "../shared/template-hash.ts";
import { newReplicaSetAnnotations, revisionOf, sizeAnnotations } from "./annotations.ts";
import { byCreation, isSized } from "./arithmetic.ts";

/** The label that tells the pods of a deployment's replica sets apart. */
export const POD_TEMPLATE_HASH = "pod-template-hash";

/** A deployment's replica sets: the one of its present template, and all others. */
export interface ReplicaSets {
  readonly newOne: ReplicaSet | undefined;
  readonly old: readonly ReplicaSet[];
}

/** Finds the oldest replica set of the present template: should there be two, the choice is always the same. */
export function sortOut(deployment: Deployment, replicaSets: readonly ReplicaSet[]): ReplicaSets {
  const newOne = replicaSets
    .toSorted(byCreation)
    .find((each) => sameTemplate(each.spec?.template, deployment.spec?.template));
  return { newOne, old: replicaSets.filter((each) => each !== newOne) };
}

/** Equal but for the hash label. */
export function sameTemplate(a: PodTemplateSpec | undefined, b: PodTemplateSpec | undefined): boolean {
  return semanticEqual(withoutHash(a), withoutHash(b));
}

function withoutHash(template: PodTemplateSpec | undefined): PodTemplateSpec | undefined {
  if (!template?.metadata?.labels) return template;
  const { [POD_TEMPLATE_HASH]: _, ...labels } = template.metadata.labels;
  return { ...template, metadata: { ...template.metadata, labels } };
}

/** A replica set for the deployment's present template, of size 0. */
export function makeReplicaSet(deployment: Deployment, revision: number): ReplicaSet {
  const template = structuredClone(deployment.spec?.template) ?? { spec: { containers: [] } };
  const hash = contentHash(template, deployment.status?.collisionCount);
  const labels = { ...template.metadata?.labels, [POD_TEMPLATE_HASH]: hash };
  const { selector = {}, minReadySeconds } = deployment.spec ?? {};
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: {
      name: `${deployment.metadata.name ?? ""}-${hash}`,
      namespace: deployment.metadata.namespace,
      labels,
      annotations: { ...newReplicaSetAnnotations(deployment, {}, revision), ...sizeAnnotations(deployment) },
      ownerReferences: [controllerReference(RESOURCES.deployments, deployment)],
    },
    spec: {
      replicas: 0,
      ...(minReadySeconds && { minReadySeconds }),
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [POD_TEMPLATE_HASH]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
}

/** Old replica sets that history no longer keeps: empty, settled, the oldest revisions first. */
export function pastHistory(deployment: Deployment, old: readonly ReplicaSet[]): ReplicaSet[] {
  const alive = old.filter((each) => !each.metadata.deletionTimestamp);
  const surplus = alive.length - (deployment.spec?.revisionHistoryLimit ?? 10);
  if (surplus <= 0) return [];
  return alive
    .toSorted((a, b) => revisionOf(a) - revisionOf(b) || byCreation(a, b))
    .slice(0, surplus)
    .filter((each) => !isSized(each) && !each.status?.replicas && isObserved(each));
}

function isObserved(replicaSet: ReplicaSet): boolean {
  return (replicaSet.metadata.generation ?? 0) <= (replicaSet.status?.observedGeneration ?? 0);
}
