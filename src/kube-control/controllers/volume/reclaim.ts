import { errorText, isGantryError } from "#base/errors.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { PersistentVolume } from "#formats/kube-types.generated.ts";
import { PROVISIONED_BY } from "../../shared/volumes.ts";
import { setVolumePhase } from "./binder.ts";
import { LOCAL_PROVISIONER, type VolumeParts } from "./parts.ts";

/** What becomes of a volume whose claim is gone, by its reclaim policy: it is kept as it is, or deleted with its data. */
export async function reclaim(parts: VolumeParts, volume: PersistentVolume): Promise<void> {
  await setVolumePhase(parts, volume, "Released");
  const policy = volume.spec?.persistentVolumeReclaimPolicy;
  if (policy === "Recycle") {
    parts.events.record(
      volume,
      "Warning",
      "VolumeRecycleFailed",
      "the reclaim policy Recycle is not supported: use Delete or Retain",
    );
    return;
  }
  const ours = volume.metadata.annotations?.[PROVISIONED_BY] === LOCAL_PROVISIONER;
  // Those of outside provisioners are theirs to delete.
  if (policy !== "Delete" || !ours || volume.metadata.deletionTimestamp) return;
  const path = volume.spec?.hostPath?.path ?? "";
  try {
    await parts.local.remove(nodeOf(volume), path);
  } catch (error) {
    await setVolumePhase(parts, volume, "Failed", errorText(error));
    parts.events.record(volume, "Warning", "VolumeFailedDelete", errorText(error));
    throw error;
  }
  const { name = "", uid } = volume.metadata;
  await parts.context.client
    .delete(RESOURCES.persistentvolumes, undefined, name, { preconditions: { uid } })
    .catch((error: unknown) => {
      if (!isGantryError(error, "not-found")) throw error;
    });
}

function nodeOf({ spec }: PersistentVolume): string {
  const [term] = spec?.nodeAffinity?.required?.nodeSelectorTerms ?? [];
  return term?.matchExpressions?.find(({ key }) => key === "kubernetes.io/hostname")?.values?.[0] ?? "";
}
