import { isGantryError } from "#base/errors.ts";
import { objectKey, type KubeObject, type Typed } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { PersistentVolume, PersistentVolumeClaim, Pod } from "#formats/kube-types.generated.ts";
import { controller, enqueueFrom, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";
import { isFinished } from "../shared/pods.ts";

const CLAIM_FINALIZER = "kubernetes.io/pvc-protection";
const VOLUME_FINALIZER = "kubernetes.io/pv-protection";
const BY_CLAIM = "claim";

/** Claims that pods use stay until the last of these has ended. */
export function claimProtection(context: ControllerContext): Controller {
  const claims = informerOf(context, RESOURCES.persistentvolumeclaims);
  const pods = informerOf(context, RESOURCES.pods);
  pods.addIndex(BY_CLAIM, claimKeys);
  return controller(context, {
    name: "persistentvolumeclaim-protection-controller",
    async reconcile(key) {
      const claim = claims.cache.get(key);
      if (!claim) return;
      const used = pods.cache.byIndex(BY_CLAIM, key).some((pod) => pod.spec?.nodeName && !isFinished(pod));
      await protect(context, RESOURCES.persistentvolumeclaims, claim, CLAIM_FINALIZER, used);
    },
    allKeys: () => Array.from(claims.cache.values(), objectKey),
    watch: (queue) => [
      enqueueFrom(claims, queue, (claim: PersistentVolumeClaim) => [objectKey(claim)]),
      pods.addHandler({
        update: (_, pod) => void (isFinished(pod) && claimKeys(pod).forEach(queue.add)),
        delete: (pod) => claimKeys(pod).forEach(queue.add),
      }),
    ],
  });
}

/** Volumes that are bound stay until their claim is gone. */
export function volumeProtection(context: ControllerContext): Controller {
  const volumes = informerOf(context, RESOURCES.persistentvolumes);
  return controller(context, {
    name: "persistentvolume-protection-controller",
    async reconcile(key) {
      const volume = volumes.cache.get(key);
      if (!volume) return;
      await protect(context, RESOURCES.persistentvolumes, volume, VOLUME_FINALIZER, volume.status?.phase === "Bound");
    },
    allKeys: () => Array.from(volumes.cache.values(), objectKey),
    watch: (queue) => [enqueueFrom(volumes, queue, (volume: PersistentVolume) => [objectKey(volume)])],
  });
}

/** Keys of the claims that a pod uses, its ephemeral volumes' among them. */
function claimKeys({ metadata, spec }: Pod): string[] {
  return (spec?.volumes ?? []).flatMap(({ name, persistentVolumeClaim, ephemeral }) => {
    const claim = persistentVolumeClaim?.claimName ?? (ephemeral ? `${metadata.name ?? ""}-${name}` : undefined);
    return claim === undefined ? [] : [`${metadata.namespace ?? ""}/${claim}`];
  });
}

/** The finalizer comes with the object and goes when it is being deleted and nobody uses it any more. */
async function protect<T extends KubeObject>(
  { client }: ControllerContext,
  resource: Typed<T>,
  { metadata }: T,
  finalizer: string,
  used: boolean,
): Promise<void> {
  const { uid, resourceVersion, namespace, name = "", finalizers = [], deletionTimestamp } = metadata;
  const has = finalizers.includes(finalizer);
  let wanted: string[] | undefined;
  if (!deletionTimestamp && !has) wanted = [...finalizers, finalizer];
  if (deletionTimestamp && has && !used) wanted = finalizers.filter((each) => each !== finalizer);
  if (!wanted) return;
  const body = { metadata: { uid, resourceVersion, finalizers: wanted.length > 0 ? wanted : null } };
  await client.patch(resource, namespace, name, { type: "merge", body }).catch((error: unknown) => {
    if (!isGantryError(error, "not-found")) throw error;
  });
}
