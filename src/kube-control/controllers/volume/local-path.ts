import { posix } from "node:path";
import { isGantryError } from "#base/errors.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from "#formats/kube-types.generated.ts";
import { referenceTo } from "#kube-client/events.ts";
import { PROVISIONED_BY, SELECTED_NODE } from "../../shared/volumes.ts";
import { LOCAL_PROVISIONER, type VolumeParts } from "./parts.ts";

/** The class of claims that name none: a directory of the node that their first pod runs on. */
export const LOCAL_CLASS: StorageClass = {
  apiVersion: "storage.k8s.io/v1",
  kind: "StorageClass",
  metadata: { name: "local-path", annotations: { "storageclass.kubernetes.io/is-default-class": "true" } },
  provisioner: LOCAL_PROVISIONER,
  reclaimPolicy: "Delete",
  volumeBindingMode: "WaitForFirstConsumer",
  allowVolumeExpansion: true,
};

/** Makes the class unless it is there: whoever changed it had their reasons. */
export async function ensureLocalClass({ context }: VolumeParts): Promise<void> {
  try {
    await context.client.create(RESOURCES.storageclasses, LOCAL_CLASS);
  } catch (error) {
    if (!isGantryError(error, "already-exists")) throw error;
  }
}

/** Makes a volume for a claim: the node's agent makes the directory when a pod first uses it. */
export async function provision(
  parts: VolumeParts,
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
): Promise<void> {
  const { context, events } = parts;
  const nodeName = claim.metadata.annotations?.[SELECTED_NODE];
  const failed = (text: string): void => events.record(claim, "Warning", "ProvisioningFailed", text);
  if (nodeName === undefined) {
    failed(`${LOCAL_PROVISIONER} needs a node: the class must have volumeBindingMode WaitForFirstConsumer`);
    return;
  }
  if (claim.spec?.volumeMode === "Block") {
    failed(`${LOCAL_PROVISIONER} makes directories: volumeMode Block is not supported`);
    return;
  }
  const shared = claim.spec?.accessModes?.find((mode) => mode === "ReadWriteMany" || mode === "ReadOnlyMany");
  if (shared) {
    failed(`${LOCAL_PROVISIONER} makes volumes of one node: access mode ${shared} is not supported`);
    return;
  }
  const volume = volumeFor(parts, claim, storageClass, nodeName);
  try {
    await context.client.create(RESOURCES.persistentvolumes, volume);
  } catch (error) {
    // Made before its answer was lost.
    if (!isGantryError(error, "already-exists")) throw error;
  }
  const name = volume.metadata.name ?? "";
  events.record(claim, "Normal", "ProvisioningSucceeded", `Successfully provisioned volume ${name}`);
}

function volumeFor(
  { local }: VolumeParts,
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  nodeName: string,
): PersistentVolume {
  const { uid = "", namespace = "", name = "" } = claim.metadata;
  const directory = storageClass.parameters?.["path"] ?? local.directory;
  const hostname = [{ key: "kubernetes.io/hostname", operator: "In", values: [nodeName] }];
  return {
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: { name: `pvc-${uid}`, annotations: { [PROVISIONED_BY]: LOCAL_PROVISIONER } },
    spec: {
      accessModes: claim.spec?.accessModes,
      capacity: { storage: claim.spec?.resources?.requests?.["storage"] ?? "0" },
      claimRef: referenceTo(claim),
      hostPath: { path: posix.join(directory, `pvc-${uid}_${namespace}_${name}`), type: "DirectoryOrCreate" },
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: hostname }] } },
      persistentVolumeReclaimPolicy: storageClass.reclaimPolicy ?? "Delete",
      storageClassName: storageClass.metadata.name,
      volumeMode: "Filesystem",
    },
  };
}
