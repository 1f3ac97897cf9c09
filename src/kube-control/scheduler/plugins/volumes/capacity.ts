import type { Node, PersistentVolumeClaim, StorageClass } from "#formats/kube-types.generated.ts";
import { quantityNumber } from "#formats/quantity.ts";
import { matchesSelector, selectorOf } from "#formats/selectors.ts";
import { requestedBytes } from "../../../shared/volumes.ts";
import type { VolumeLookup } from "./lookup.ts";

/**
 * Whether a volume of this size can be made where the node is, as far as the driver tells (CSIStorageCapacity). A driver that does not take part (CSIDriver
 * spec.storageCapacity) is taken to have enough.
 */
export function hasCapacity(
  claim: PersistentVolumeClaim,
  { metadata, provisioner }: StorageClass,
  node: Node,
  lookup: VolumeLookup,
): boolean {
  if (!lookup.csiDriver(provisioner)?.spec.storageCapacity) return true;
  const wanted = requestedBytes(claim);
  for (const { storageClassName, nodeTopology, capacity, maximumVolumeSize } of lookup.capacities()) {
    if (storageClassName !== metadata.name) continue;
    // The largest single volume counts when it is told; the capacity otherwise.
    const limit = maximumVolumeSize ?? capacity;
    if (limit === undefined || quantityNumber(limit) < wanted) continue;
    // Without a topology it is storage that no node reaches.
    if (nodeTopology && matchesSelector(selectorOf(nodeTopology), node.metadata.labels)) return true;
  }
  return false;
}
