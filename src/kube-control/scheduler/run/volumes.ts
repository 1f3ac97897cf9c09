import type { Clock } from "#base/clock.ts";
import { GantryError, isGantryError } from "#base/errors.ts";
import { objectKey } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { PersistentVolume, PersistentVolumeClaim } from "#formats/kube-types.generated.ts";
import type { KubeClient } from "#kube-client/client.ts";
import { referenceTo } from "#kube-client/events.ts";
import type { InformerFactory } from "#kube-client/informer-factory.ts";
import type { Informer } from "#kube-client/informer.ts";
import { BOUND_BY_CONTROLLER, isBound, SELECTED_NODE } from "../../shared/volumes.ts";
import type { PodInfo } from "../cluster/pod-info.ts";
import { bindingTimedOut, type ClaimDecision } from "../plugins/volumes/binding.ts";
import type { VolumeLookup } from "../plugins/volumes/lookup.ts";

/** Claims, volumes and classes from the caches. */
export function volumeLookup(informers: InformerFactory): VolumeLookup {
  const claims = informers.informer(RESOURCES.persistentvolumeclaims);
  const volumes = informers.informer(RESOURCES.persistentvolumes);
  const classes = informers.informer(RESOURCES.storageclasses);
  const csiNodes = informers.informer(RESOURCES.csinodes);
  const drivers = informers.informer(RESOURCES.csidrivers);
  const capacities = informers.informer(RESOURCES.csistoragecapacities);
  return {
    claim: (namespace, name) => claims.cache.get(`${namespace}/${name}`),
    volume: (name) => volumes.cache.get(name),
    volumes: () => volumes.cache.values(),
    storageClass: (name) => classes.cache.get(name),
    csiNode: (name) => csiNodes.cache.get(name),
    csiNodesRevision: () => csiNodes.revision,
    csiDriver: (name) => drivers.cache.get(name),
    capacities: () => capacities.cache.values(),
  };
}

/** Reserves chosen volumes, has others made on the chosen node, and waits until the binder has bound all claims. */
export function volumeBindings(client: KubeClient, informers: InformerFactory, clock: Clock) {
  const claims = informers.informer(RESOURCES.persistentvolumeclaims);
  return async (
    _pod: PodInfo,
    nodeName: string,
    decisions: readonly ClaimDecision[],
    timeoutMs: number,
  ): Promise<void> => {
    for (const { claim, volume } of decisions) {
      if (volume) await reserve(client, claim, volume);
      else await select(client, claim, nodeName);
    }
    await untilBound(
      claims,
      decisions.map(({ claim }) => claim),
      clock,
      timeoutMs,
    );
  };
}

/** Tries again when something else of the volume changed meanwhile. */
const RESERVE_TRIES = 5;

async function reserve(client: KubeClient, claim: PersistentVolumeClaim, seen: PersistentVolume): Promise<void> {
  let volume = seen;
  for (let attempt = 1; ; attempt++) {
    const holder = volume.spec?.claimRef;
    if (holder?.uid === claim.metadata.uid) return;
    const free = !holder || (holder.uid === undefined && holder.name === claim.metadata.name);
    if (!free) throw new GantryError("conflict", `volume ${seen.metadata.name ?? ""} was bound to another claim`);
    const annotations: Record<string, string> = { ...volume.metadata.annotations };
    if (!holder) annotations[BOUND_BY_CONTROLLER] = "yes";
    const metadata = { ...volume.metadata, annotations };
    try {
      await client.update(RESOURCES.persistentvolumes, {
        ...volume,
        metadata,
        spec: { ...volume.spec, claimRef: referenceTo(claim) },
      });
      return;
    } catch (error) {
      if (!isGantryError(error, "conflict") || attempt === RESERVE_TRIES) throw error;
      volume = await client.get(RESOURCES.persistentvolumes, undefined, volume.metadata.name ?? "");
    }
  }
}

async function select(client: KubeClient, claim: PersistentVolumeClaim, nodeName: string): Promise<void> {
  const { namespace, name = "", uid } = claim.metadata;
  const body = { metadata: { uid, annotations: { [SELECTED_NODE]: nodeName } } };
  await client.patch(RESOURCES.persistentvolumeclaims, namespace, name, { type: "merge", body });
}

/** By events; one timer, for giving up. */
async function untilBound(
  informer: Informer<PersistentVolumeClaim>,
  wanted: readonly PersistentVolumeClaim[],
  clock: Clock,
  timeoutMs: number,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const look = (): void => {
    const current = wanted.map((claim) => informer.cache.get(objectKey(claim)));
    if (current.every((claim) => claim && isBound(claim))) resolve();
    else if (current.some((claim, index) => claim?.metadata.uid !== wanted[index]?.metadata.uid))
      reject(bindingTimedOut());
  };
  const off = informer.addHandler({ update: look, delete: look });
  const cancel = clock.after(timeoutMs, () => reject(bindingTimedOut()));
  look();
  try {
    await promise;
  } finally {
    off();
    cancel();
  }
}
