import { isGantryError } from "#base/errors.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { OwnerReference, PersistentVolumeClaim, Pod, StatefulSet } from "#formats/kube-types.generated.ts";
import { semanticEqual } from "../shared/semantic-equal.ts";
import type { StatefulSetParts } from "./controller.ts";
import { claimName, firstOrdinal, ordinalOf } from "./identity.ts";

/**
 * Who owns the claims of a set's pods, by its retention policy: nobody (they stay), the set (they go with it), or the pod that is being scaled away
 * (they go with that).
 */
export async function keepClaims(parts: StatefulSetParts, set: StatefulSet, pods: readonly Pod[]): Promise<void> {
  const templates = set.spec?.volumeClaimTemplates ?? [];
  if (templates.length === 0) return;
  const { whenDeleted = "Retain", whenScaled = "Retain" } = set.spec?.persistentVolumeClaimRetentionPolicy ?? {};
  const end = firstOrdinal(set) + (set.spec?.replicas ?? 1);
  for (const pod of pods) {
    const ordinal = ordinalOf(set, pod);
    if (ordinal === undefined) continue;
    const condemned = ordinal >= end || ordinal < firstOrdinal(set);
    const owners: OwnerReference[] = [];
    if (whenDeleted === "Delete" && !(condemned && whenScaled === "Delete")) owners.push(setReference(set));
    if (condemned && whenScaled === "Delete") owners.push(podReference(pod));
    for (const template of templates) {
      const claim = parts.claims.cache.get(`${set.metadata.namespace ?? ""}/${claimName(set, template, ordinal)}`);
      if (claim) await setOwners(parts, set, claim, owners);
    }
  }
}

async function setOwners(
  parts: StatefulSetParts,
  set: StatefulSet,
  claim: PersistentVolumeClaim,
  owners: readonly OwnerReference[],
): Promise<void> {
  const present = claim.metadata.ownerReferences ?? [];
  const others = present.filter(
    ({ kind, name, uid }) =>
      !(kind === "StatefulSet" && uid === set.metadata.uid) &&
      !(kind === "Pod" && name.startsWith(`${set.metadata.name ?? ""}-`)),
  );
  const wanted = [...others, ...owners];
  if (semanticEqual(wanted, present)) return;
  const { namespace, name = "", uid, resourceVersion } = claim.metadata;
  const body = { metadata: { uid, resourceVersion, ownerReferences: wanted } };
  try {
    await parts.context.client.patch(RESOURCES.persistentvolumeclaims, namespace, name, { type: "merge", body });
  } catch (error) {
    if (!isGantryError(error, "not-found")) throw error;
  }
}

function setReference({ metadata }: StatefulSet): OwnerReference {
  return {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    name: metadata.name ?? "",
    uid: metadata.uid ?? "",
    controller: true,
  };
}

function podReference({ metadata }: Pod): OwnerReference {
  return { apiVersion: "v1", kind: "Pod", name: metadata.name ?? "", uid: metadata.uid ?? "" };
}
