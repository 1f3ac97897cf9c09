// Which volumes do for which claims: shared by the binder and the scheduler.
import type { Node, PersistentVolume, PersistentVolumeClaim, StorageClass } from "#formats/kube-types.generated.ts";
import { matchesNodeSelector } from "#formats/node-selectors.ts";
import { quantityNumber } from "#formats/quantity.ts";
import { matchesSelector, selectorOf } from "#formats/selectors.ts";

/** The node that the scheduler chose for a claim's first pod. */
export const SELECTED_NODE = "volume.kubernetes.io/selected-node";
export const BIND_COMPLETED = "pv.kubernetes.io/bind-completed";
export const BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller";
export const PROVISIONED_BY = "pv.kubernetes.io/provisioned-by";
export const NO_PROVISIONER = "kubernetes.io/no-provisioner";
const CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class";

export function className({ metadata, spec }: PersistentVolumeClaim | PersistentVolume): string {
  return metadata.annotations?.[CLASS_ANNOTATION] ?? spec?.storageClassName ?? "";
}

export function isBound({ spec, metadata }: PersistentVolumeClaim): boolean {
  return Boolean(spec?.volumeName) && metadata.annotations?.[BIND_COMPLETED] !== undefined;
}

/** Bound only when a pod needs it, where that pod goes. */
export function waitsForConsumer(storageClass: StorageClass | undefined): boolean {
  return storageClass?.volumeBindingMode === "WaitForFirstConsumer";
}

export function requestedBytes({ spec }: PersistentVolumeClaim): number {
  return quantityNumber(spec?.resources?.requests?.["storage"]);
}

/** True when the volume is meant for this claim and no other. */
export function isFor({ spec }: PersistentVolume, { metadata }: PersistentVolumeClaim): boolean {
  const claimRef = spec?.claimRef;
  if (!claimRef || claimRef.name !== metadata.name || claimRef.namespace !== metadata.namespace) return false;
  return claimRef.uid === undefined || claimRef.uid === metadata.uid;
}

/** True when pods on the node can reach the volume. */
export function isReachable({ spec }: PersistentVolume, node: Node): boolean {
  return spec?.nodeAffinity?.required === undefined || matchesNodeSelector(spec.nodeAffinity.required, node);
}

/**
 * The volume to bind a claim to: one that names the claim, or the smallest free one that is large enough and is of its class, mode, access and labels.
 * `node`: reachable from there. (pkg/volume/util FindMatchingVolume)
 */
export function bestMatch(
  claim: PersistentVolumeClaim,
  volumes: Iterable<PersistentVolume>,
  node?: Node,
  taken: ReadonlySet<string> = new Set(),
): PersistentVolume | undefined {
  let best: PersistentVolume | undefined;
  let bestBytes = Number.POSITIVE_INFINITY;
  const selector = claim.spec?.selector === undefined ? undefined : selectorOf(claim.spec.selector);
  const request = requestedBytes(claim);
  for (const volume of volumes) {
    const bytes = quantityNumber(volume.spec?.capacity?.["storage"]);
    if (taken.has(volume.metadata.name ?? "") || volume.metadata.deletionTimestamp || !suits(claim, volume)) continue;
    if (node && !isReachable(volume, node)) continue;
    if (volume.spec?.claimRef) {
      if (isFor(volume, claim) && bytes >= request) return volume;
      continue;
    }
    if (bytes < request || bytes >= bestBytes || className(volume) !== className(claim)) continue;
    if (selector && !matchesSelector(selector, volume.metadata.labels)) continue;
    best = volume;
    bestBytes = bytes;
  }
  return best;
}

/** Of the same mode, and with all access modes that the claim wants. */
function suits({ spec }: PersistentVolumeClaim, { spec: volume }: PersistentVolume): boolean {
  if ((spec?.volumeMode ?? "Filesystem") !== (volume?.volumeMode ?? "Filesystem")) return false;
  return (spec?.accessModes ?? []).every((mode) => volume?.accessModes?.includes(mode));
}
