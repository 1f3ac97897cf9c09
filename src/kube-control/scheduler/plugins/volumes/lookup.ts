import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  StorageClass,
} from "#formats/kube-types.generated.ts";
import { isBound, waitsForConsumer } from "../../../shared/volumes.ts";

/** The claims, volumes and classes that there are now. */
export interface VolumeLookup {
  claim(namespace: string, name: string): PersistentVolumeClaim | undefined;
  volume(name: string): PersistentVolume | undefined;
  volumes(): Iterable<PersistentVolume>;
  storageClass(name: string): StorageClass | undefined;
  csiNode(name: string): CSINode | undefined;
  /** Grows when a CSINode changes. */
  csiNodesRevision(): number;
  csiDriver(name: string): CSIDriver | undefined;
  capacities(): Iterable<CSIStorageCapacity>;
}

/** The claims of a pod, by what is to be done about them; or why the pod cannot run. */
export type PodClaims =
  | {
      readonly kind: "claims";
      readonly bound: readonly PersistentVolumeClaim[];
      readonly toBind: readonly PersistentVolumeClaim[];
    }
  | { readonly kind: "missing"; readonly reason: string };

const NO_NAMES: readonly string[] = [];
/** Read once for each version of a pod: it is asked for at every step. */
const namesOf = new WeakMap<Pod, readonly string[]>();

/** Names of the claims that a pod uses. */
export function claimNames(pod: Pod): readonly string[] {
  if (!pod.spec?.volumes) return NO_NAMES;
  let names = namesOf.get(pod);
  if (!names) {
    names = readNames(pod);
    namesOf.set(pod, names);
  }
  return names;
}

function readNames({ metadata, spec }: Pod): readonly string[] {
  const names = (spec?.volumes ?? []).flatMap(({ name, persistentVolumeClaim, ephemeral }) => {
    if (ephemeral) return [`${metadata.name ?? ""}-${name}`];
    return persistentVolumeClaim?.claimName ?? [];
  });
  return names.length === 0 ? NO_NAMES : names;
}

/** Sorts a pod's claims (volumebinding.GetPodVolumeClaims). */
export function podClaims(pod: Pod, lookup: VolumeLookup): PodClaims {
  const bound: PersistentVolumeClaim[] = [];
  const toBind: PersistentVolumeClaim[] = [];
  let immediate = false;
  for (const name of claimNames(pod)) {
    const claim = lookup.claim(pod.metadata.namespace ?? "", name);
    if (!claim) return { kind: "missing", reason: `persistentvolumeclaim ${JSON.stringify(name)} not found` };
    if (claim.metadata.deletionTimestamp) {
      return { kind: "missing", reason: `persistentvolumeclaim ${JSON.stringify(name)} is being deleted` };
    }
    if (claim.status?.phase === "Lost") {
      const volume = claim.spec?.volumeName ?? "";
      return {
        kind: "missing",
        reason: `persistentvolumeclaim ${JSON.stringify(name)} bound to non-existent persistentvolume ${JSON.stringify(volume)}`,
      };
    }
    if (isBound(claim)) bound.push(claim);
    else if (waitsForConsumer(lookup.storageClass(claim.spec?.storageClassName ?? "")) && !claim.spec?.volumeName)
      toBind.push(claim);
    else immediate = true;
  }
  if (immediate) return { kind: "missing", reason: "pod has unbound immediate PersistentVolumeClaims" };
  return { kind: "claims", bound, toBind };
}
