import type { KubeObject, Typed } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { InformerFactory } from "#kube-client/informer-factory.ts";
import type { EventResource } from "../framework/plugin.ts";
import type { SchedulerContext } from "./context.ts";

const WATCHED: readonly (readonly [EventResource, Typed<KubeObject>])[] = [
  ["PersistentVolume", RESOURCES.persistentvolumes as Typed<KubeObject>],
  ["PersistentVolumeClaim", RESOURCES.persistentvolumeclaims as Typed<KubeObject>],
  ["StorageClass", RESOURCES.storageclasses as Typed<KubeObject>],
  ["CSIDriver", RESOURCES.csidrivers as Typed<KubeObject>],
  ["CSIStorageCapacity", RESOURCES.csistoragecapacities as Typed<KubeObject>],
  ["CSINode", RESOURCES.csinodes as Typed<KubeObject>],
];

/** Pods that wait for a volume try again when one comes, changes or is bound. */
export function volumeHandlers({ queue }: SchedulerContext, informers: InformerFactory): (() => void)[] {
  return WATCHED.map(([resource, type]) =>
    informers.informer(type).addHandler({
      add: (after) => queue.changed({ resource, actions: ["Add"], after }),
      update: (before, after) => queue.changed({ resource, actions: ["Update"], before, after }),
      delete: (before) => queue.changed({ resource, actions: ["Delete"], before }),
    }),
  );
}
