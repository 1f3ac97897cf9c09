import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from "#formats/kube-types.generated.ts";
import type { EventRecorder } from "#kube-client/events.ts";
import type { Informer } from "#kube-client/informer.ts";
import type { ControllerContext } from "../shared/controller.ts";

/** Volumes that are directories of their nodes. */
export interface LocalVolumes {
  /** Where they lie, on each node. */
  readonly directory: string;
  /** Removes a directory of a node, with all in it; a volume stays until that is done. */
  remove(nodeName: string, path: string): Promise<void>;
}

/** What the volume controllers work with. */
export interface VolumeParts {
  readonly context: ControllerContext;
  readonly claims: Informer<PersistentVolumeClaim>;
  readonly volumes: Informer<PersistentVolume>;
  readonly classes: Informer<StorageClass>;
  readonly events: EventRecorder;
  readonly local: LocalVolumes;
}

/** The provisioner of Gantry's own storage class. */
export const LOCAL_PROVISIONER = "gantry.dev/local-path";
