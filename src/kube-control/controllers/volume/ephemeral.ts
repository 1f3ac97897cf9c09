import { isGantryError } from "#base/errors.ts";
import { objectKey } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { PersistentVolumeClaim, Pod, Volume } from "#formats/kube-types.generated.ts";
import { controller, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";
import { controllerReference } from "../shared/ownership.ts";

/** Makes the claims of pods' ephemeral volumes; they go with their pod. */
export function ephemeralVolumeController(context: ControllerContext): Controller {
  const pods = informerOf(context, RESOURCES.pods);
  const claims = informerOf(context, RESOURCES.persistentvolumeclaims);
  return controller(context, {
    name: "ephemeral-volume-controller",
    async reconcile(key) {
      const pod = pods.cache.get(key);
      if (!pod || pod.metadata.deletionTimestamp) return;
      for (const volume of pod.spec?.volumes ?? []) {
        const claim = claimOf(pod, volume);
        if (!claim || claims.cache.get(objectKey(claim))) continue;
        await context.client.create(RESOURCES.persistentvolumeclaims, claim).catch((error: unknown) => {
          if (!isGantryError(error, "already-exists") && !isGantryError(error, "forbidden")) throw error;
        });
      }
    },
    watch: (queue) => {
      const see = (pod: Pod): void => {
        if (pod.spec?.volumes?.some(({ ephemeral }) => ephemeral)) queue.add(objectKey(pod));
      };
      return [pods.addHandler({ add: see })];
    },
  });
}

function claimOf(pod: Pod, { name, ephemeral }: Volume): PersistentVolumeClaim | undefined {
  const template = ephemeral?.volumeClaimTemplate;
  if (!template) return undefined;
  const { labels, annotations } = template.metadata ?? {};
  return {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: {
      name: `${pod.metadata.name ?? ""}-${name}`,
      namespace: pod.metadata.namespace,
      ...(labels && { labels }),
      ...(annotations && { annotations }),
      ownerReferences: [controllerReference(RESOURCES.pods, pod)],
    },
    spec: template.spec,
  };
}
