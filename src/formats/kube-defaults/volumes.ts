import type {
  PersistentVolume,
  PersistentVolumeClaim,
  PersistentVolumeClaimSpec,
  PersistentVolumeSpec,
  Volume,
} from "../kube-types.generated.ts";
import { defaultPullPolicy } from "./containers.ts";
import { roundRequirements, roundResources } from "./resources.ts";

/** rw-r--r-- */
const FILE_MODE = 0o644;

type Sources = Pick<PersistentVolumeSpec, "hostPath" | "iscsi" | "rbd" | "azureDisk" | "scaleIO">;

/** Defaults of a pod's volume (SetDefaults_Volume and those of its source). A volume without source is an emptyDir. */
export function defaultVolume(volume: Volume): void {
  if (Object.keys(volume).every((key) => key === "name")) volume.emptyDir = {};
  for (const files of [volume.secret, volume.configMap, volume.downwardAPI, volume.projected])
    if (files) files.defaultMode ??= FILE_MODE;
  for (const item of volume.downwardAPI?.items ?? []) if (item.fieldRef) item.fieldRef.apiVersion ||= "v1";
  for (const { serviceAccountToken, downwardAPI } of volume.projected?.sources ?? []) {
    if (serviceAccountToken) serviceAccountToken.expirationSeconds ??= 3600;
    for (const item of downwardAPI?.items ?? []) if (item.fieldRef) item.fieldRef.apiVersion ||= "v1";
  }
  if (volume.image) volume.image.pullPolicy ||= defaultPullPolicy(volume.image.reference);
  if (volume.ephemeral?.volumeClaimTemplate) defaultClaimSpec(volume.ephemeral.volumeClaimTemplate.spec);
  defaultSources(volume as Sources);
}

function defaultSources({ hostPath, iscsi, rbd, azureDisk, scaleIO }: Sources): void {
  if (hostPath) hostPath.type ??= "";
  if (iscsi) iscsi.iscsiInterface ||= "default";
  if (rbd) {
    rbd.pool ||= "rbd";
    rbd.user ||= "admin";
    rbd.keyring ||= "/etc/ceph/keyring";
  }
  if (azureDisk) {
    azureDisk.cachingMode ??= "ReadWrite";
    azureDisk.kind ??= "Shared";
    azureDisk.fsType ??= "ext4";
    azureDisk.readOnly ??= false;
  }
  if (scaleIO) {
    scaleIO.storageMode ||= "ThinProvisioned";
    scaleIO.fsType ||= "xfs";
  }
}

/** SetDefaults_PersistentVolume. */
export function defaultPersistentVolume(volume: PersistentVolume): void {
  volume.status = { ...volume.status };
  volume.status.phase ||= "Pending";
  const spec = (volume.spec ??= {});
  spec.persistentVolumeReclaimPolicy ||= "Retain";
  spec.volumeMode ??= "Filesystem";
  roundResources(spec.capacity);
  defaultSources(spec);
}

/** SetDefaults_PersistentVolumeClaim. */
export function defaultClaim(claim: PersistentVolumeClaim): void {
  claim.status = { ...claim.status };
  claim.status.phase ||= "Pending";
  defaultClaimSpec((claim.spec ??= {}));
}

function defaultClaimSpec(spec: PersistentVolumeClaimSpec): void {
  spec.volumeMode ??= "Filesystem";
  roundRequirements(spec.resources);
}
