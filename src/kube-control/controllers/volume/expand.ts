import { objectKey } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import { quantityNumber } from "#formats/quantity.ts";
import { PROVISIONED_BY, requestedBytes } from "../../shared/volumes.ts";
import { controller, enqueueFrom, type Controller } from "../shared/controller.ts";
import { LOCAL_PROVISIONER, type VolumeParts } from "./parts.ts";

/** Lets local volumes grow with their claims: a directory has no size of its own, so it is enough to say so. */
export function expandController({ context, claims, volumes, events }: VolumeParts): Controller {
  return controller(context, {
    name: "persistentvolume-expander-controller",
    async reconcile(key) {
      const claim = claims.cache.get(key);
      const volume = claim && volumes.cache.get(claim.spec?.volumeName ?? "");
      if (!claim || !volume || volume.metadata.annotations?.[PROVISIONED_BY] !== LOCAL_PROVISIONER) return;
      const storage = claim.spec?.resources?.requests?.["storage"];
      if (storage === undefined || requestedBytes(claim) <= quantityNumber(volume.spec?.capacity?.["storage"])) return;
      await context.client.update(RESOURCES.persistentvolumes, {
        ...volume,
        spec: { ...volume.spec, capacity: { storage } },
      });
      events.record(claim, "Normal", "VolumeResizeSuccessful", "Resize volume succeeded");
    },
    watch: (queue) => [enqueueFrom(claims, queue, (claim) => [objectKey(claim)])],
  });
}
