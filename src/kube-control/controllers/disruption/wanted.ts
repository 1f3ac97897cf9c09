import { RESOURCES } from "#formats/kube-resources.ts";
import type { Pod } from "#formats/kube-types.generated.ts";
import type { InformerFactory } from "#kube-client/informer-factory.ts";
import { controllerOf, groupOf } from "../shared/ownership.ts";

/** How many pods the workloads of pods want, each workload counted once; undefined when a pod has none that says. */
export type WantedPods = (pods: readonly Pod[]) => number | undefined;

/** Reads the workloads from the caches. */
export function wantedPods(informers: InformerFactory): WantedPods {
  const replicaSets = informers.informer(RESOURCES.replicasets);
  const deployments = informers.informer(RESOURCES.deployments);
  const statefulSets = informers.informer(RESOURCES.statefulsets);
  const controllers = informers.informer(RESOURCES.replicationcontrollers);
  const workloadOf = (pod: Pod): { uid: string; replicas: number } | undefined => {
    const owner = controllerOf(pod);
    const key = `${pod.metadata.namespace ?? ""}/${owner?.name ?? ""}`;
    const as = (object: { metadata: { uid?: string }; spec?: { replicas?: number } } | undefined) =>
      object && object.metadata.uid === owner?.uid
        ? { uid: owner?.uid ?? "", replicas: object.spec?.replicas ?? 1 }
        : undefined;
    switch (owner && `${groupOf(owner.apiVersion)}/${owner.kind}`) {
      case "apps/ReplicaSet": {
        const replicaSet = replicaSets.cache.get(key);
        const above = replicaSet && controllerOf(replicaSet);
        const deployment =
          above?.kind === "Deployment"
            ? deployments.cache.get(`${pod.metadata.namespace ?? ""}/${above.name}`)
            : undefined;
        if (deployment) return { uid: deployment.metadata.uid ?? "", replicas: deployment.spec?.replicas ?? 1 };
        return as(replicaSet);
      }
      case "apps/StatefulSet":
        return as(statefulSets.cache.get(key));
      case "/ReplicationController":
        return as(controllers.cache.get(key));
      default:
        return undefined;
    }
  };
  return (pods) => {
    const byWorkload = new Map<string, number>();
    for (const pod of pods) {
      const workload = workloadOf(pod);
      if (!workload) return undefined;
      byWorkload.set(workload.uid, workload.replicas);
    }
    return Array.from(byWorkload.values()).reduce((sum, replicas) => sum + replicas, 0);
  };
}
