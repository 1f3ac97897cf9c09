import { isGantryError } from "#base/errors.ts";
import { objectKey } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import { kubeTime } from "#formats/kube-time.ts";
import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from "#formats/kube-types.generated.ts";
import { referenceTo } from "#kube-client/events.ts";
import {
  bestMatch,
  BIND_COMPLETED,
  BOUND_BY_CONTROLLER,
  className,
  isBound,
  isFor,
  NO_PROVISIONER,
  SELECTED_NODE,
  waitsForConsumer,
} from "../../shared/volumes.ts";
import { controller, type Controller } from "../shared/controller.ts";
import { semanticEqual } from "../shared/semantic-equal.ts";
import { provision } from "./local-path.ts";
import { LOCAL_PROVISIONER, type VolumeParts } from "./parts.ts";
import { reclaim } from "./reclaim.ts";

const PROVISIONER = "volume.kubernetes.io/storage-provisioner";
const BETA_PROVISIONER = "volume.beta.kubernetes.io/storage-provisioner";

/** Binds claims to volumes, one to one; has volumes made for claims whose class can; reclaims volumes whose claims are gone. */
export function volumeBinder(parts: VolumeParts): Controller {
  const { context, claims, volumes, classes } = parts;
  return controller(context, {
    name: "persistentvolume-binder-controller",
    workers: 1,
    reconcile: (key) => (key.startsWith("volume/") ? reconcileVolume(parts, key.slice(7)) : reconcileClaim(parts, key)),
    allKeys: () => [...Array.from(claims.cache.values(), objectKey), ...Array.from(volumes.cache.values(), volumeKey)],
    watch: (queue) => {
      const seeClaim = (claim: PersistentVolumeClaim): void => {
        queue.add(objectKey(claim));
        if (claim.spec?.volumeName) queue.add(`volume/${claim.spec.volumeName}`);
      };
      /** A volume that comes or is freed may be what a claim waits for. */
      const seeVolume = (volume: PersistentVolume): void => {
        queue.add(volumeKey(volume));
        const { claimRef } = volume.spec ?? {};
        if (claimRef) queue.add(`${claimRef.namespace ?? ""}/${claimRef.name ?? ""}`);
        else for (const claim of claims.cache.values()) if (!isBound(claim)) queue.add(objectKey(claim));
      };
      return [
        claims.addHandler({ add: seeClaim, update: (_, claim) => seeClaim(claim), delete: seeClaim }),
        volumes.addHandler({ add: seeVolume, update: (_, volume) => seeVolume(volume), delete: seeVolume }),
        classes.addHandler({
          add: () =>
            void Array.from(claims.cache.values())
              .filter((claim) => !isBound(claim))
              .forEach(seeClaim),
        }),
      ];
    },
  });
}

function volumeKey({ metadata }: PersistentVolume): string {
  return `volume/${metadata.name ?? ""}`;
}

async function reconcileClaim(parts: VolumeParts, key: string): Promise<undefined> {
  const claim = parts.claims.cache.get(key);
  if (!claim || claim.metadata.deletionTimestamp) return;
  const named = claim.spec?.volumeName;
  const volume = named ? parts.volumes.cache.get(named) : undefined;
  if (isBound(claim)) {
    if (!volume && named) await lost(parts, claim);
    else if (volume) await complete(parts, claim, volume);
    return;
  }
  if (named) {
    // Chosen by hand: bound as soon as the volume is there and nobody else's.
    if (volume && (!volume.spec?.claimRef || isFor(volume, claim))) await bind(parts, claim, volume);
    else await setPhase(parts, claim, "Pending");
    return;
  }
  await bindUnbound(parts, claim);
}

async function bindUnbound(parts: VolumeParts, claim: PersistentVolumeClaim): Promise<void> {
  const { volumes, events } = parts;
  const name = className(claim);
  const storageClass = name === "" ? undefined : await classNamed(parts, name);
  const delayed = waitsForConsumer(storageClass) && claim.metadata.annotations?.[SELECTED_NODE] === undefined;
  const prebound = Array.from(volumes.cache.values()).find((volume) => volume.spec?.claimRef && isFor(volume, claim));
  const match = prebound ?? (delayed ? undefined : bestMatch(claim, volumes.cache.values()));
  if (match) {
    await bind(parts, claim, match);
    return;
  }
  await setPhase(parts, claim, "Pending");
  if (delayed) {
    events.record(claim, "Normal", "WaitForFirstConsumer", "waiting for first consumer to be created before binding");
  } else if (name === "") {
    events.record(
      claim,
      "Normal",
      "FailedBinding",
      "no persistent volumes available for this claim and no storage class is set",
    );
  } else if (!storageClass) {
    events.record(
      claim,
      "Warning",
      "ProvisioningFailed",
      `storageclass.storage.k8s.io ${JSON.stringify(name)} not found`,
    );
  } else if (storageClass.provisioner === LOCAL_PROVISIONER) await provision(parts, claim, storageClass);
  else if (storageClass.provisioner !== NO_PROVISIONER) await askProvisioner(parts, claim, storageClass.provisioner);
}

/** A class that the cache does not show yet may say that its claims wait: then binding one at once would be wrong. */
async function classNamed({ context, classes }: VolumeParts, name: string): Promise<StorageClass | undefined> {
  const cached = classes.cache.get(name);
  if (cached) return cached;
  try {
    return await context.client.get(RESOURCES.storageclasses, undefined, name);
  } catch (error) {
    if (isGantryError(error, "not-found")) return undefined;
    throw error;
  }
}

/** An outside provisioner makes the volume when it sees its name on the claim. */
async function askProvisioner(
  { context, events }: VolumeParts,
  claim: PersistentVolumeClaim,
  provisioner: string,
): Promise<void> {
  const { annotations, namespace, name = "", uid } = claim.metadata;
  if (annotations?.[PROVISIONER] !== provisioner) {
    const body = { metadata: { uid, annotations: { [PROVISIONER]: provisioner, [BETA_PROVISIONER]: provisioner } } };
    await context.client.patch(RESOURCES.persistentvolumeclaims, namespace, name, { type: "merge", body });
  }
  const text = `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`;
  events.record(claim, "Normal", "ExternalProvisioning", text);
}

/** First the volume is reserved for the claim, then the claim says which it has: whoever dies in between, the next look goes on from there. */
async function bind(parts: VolumeParts, claim: PersistentVolumeClaim, volume: PersistentVolume): Promise<void> {
  const { client } = parts.context;
  let reserved = volume;
  if (volume.spec?.claimRef?.uid !== claim.metadata.uid) {
    const own: Record<string, string> = volume.spec?.claimRef ? {} : { [BOUND_BY_CONTROLLER]: "yes" };
    reserved = await client.update(RESOURCES.persistentvolumes, {
      ...volume,
      metadata: { ...volume.metadata, annotations: { ...volume.metadata.annotations, ...own } },
      spec: { ...volume.spec, claimRef: referenceTo(claim) },
    });
  }
  const byController: Record<string, string> = claim.spec?.volumeName ? {} : { [BOUND_BY_CONTROLLER]: "yes" };
  const bound = await client.update(RESOURCES.persistentvolumeclaims, {
    ...claim,
    metadata: {
      ...claim.metadata,
      annotations: { ...claim.metadata.annotations, [BIND_COMPLETED]: "yes", ...byController },
    },
    spec: { ...claim.spec, volumeName: volume.metadata.name },
  });
  await setVolumePhase(parts, reserved, "Bound");
  await complete(parts, bound, reserved);
}

async function complete(
  { context }: VolumeParts,
  claim: PersistentVolumeClaim,
  volume: PersistentVolume,
): Promise<void> {
  const status = {
    ...claim.status,
    phase: "Bound",
    accessModes: volume.spec?.accessModes,
    capacity: volume.spec?.capacity,
  };
  if (semanticEqual(status, claim.status)) return;
  await context.client.update(RESOURCES.persistentvolumeclaims, { ...claim, status }, "status");
}

async function lost(parts: VolumeParts, claim: PersistentVolumeClaim): Promise<void> {
  if (claim.status?.phase === "Lost") return;
  await setPhase(parts, claim, "Lost");
  parts.events.record(
    claim,
    "Warning",
    "ClaimLost",
    "Bound claim has lost its PersistentVolume. Any data on the volume is lost!",
  );
}

async function setPhase({ context }: VolumeParts, claim: PersistentVolumeClaim, phase: string): Promise<void> {
  if (claim.status?.phase === phase) return;
  await context.client.update(
    RESOURCES.persistentvolumeclaims,
    { ...claim, status: { ...claim.status, phase } },
    "status",
  );
}

export async function setVolumePhase(
  { context }: VolumeParts,
  volume: PersistentVolume,
  phase: string,
  message?: string,
): Promise<void> {
  if (volume.status?.phase === phase && volume.status.message === message) return;
  const status = { ...volume.status, phase, message, lastPhaseTransitionTime: kubeTime(context.clock.now()) };
  await context.client.update(RESOURCES.persistentvolumes, { ...volume, status }, "status");
}

async function reconcileVolume(parts: VolumeParts, name: string): Promise<undefined> {
  const volume = parts.volumes.cache.get(name);
  if (!volume) return;
  const claimRef = volume.spec?.claimRef;
  if (!claimRef?.uid) {
    if (!volume.metadata.deletionTimestamp) await setVolumePhase(parts, volume, "Available");
    return;
  }
  const claim = parts.claims.cache.get(`${claimRef.namespace ?? ""}/${claimRef.name ?? ""}`);
  if (claim?.metadata.uid === claimRef.uid) {
    if (claim.spec?.volumeName === name) await setVolumePhase(parts, volume, "Bound");
    return;
  }
  // The cache may be late: a volume is not given up on its word.
  if (await claimExists(parts, claimRef.namespace, claimRef.name, claimRef.uid)) return;
  await reclaim(parts, volume);
}

async function claimExists(
  { context }: VolumeParts,
  namespace: string | undefined,
  name = "",
  uid: string,
): Promise<boolean> {
  try {
    return (await context.client.get(RESOURCES.persistentvolumeclaims, namespace, name)).metadata.uid === uid;
  } catch (error) {
    if (isGantryError(error, "not-found")) return false;
    throw error;
  }
}
