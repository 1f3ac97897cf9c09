import { GantryError } from "#base/errors.ts";
import type { Pod } from "#formats/kube-types.generated.ts";
import { get } from "../verbs/get.ts";
import type { SubresourceHandler } from "./handlers.ts";

/** GET pods/NAME/scheduling: why the pod is where it is, or nowhere, and what would let it run. Gantry's own; no upstream API has it. */
export const schedulingHandler: SubresourceHandler = {
  async get(api, _, ref) {
    const pod = (await get(api, ref.definition, ref.namespace, ref.name)).object as Pod;
    const { source } = api.scheduling;
    if (!source) throw new GantryError("unavailable", "no scheduler runs in this process");
    const { name, namespace, uid } = pod.metadata;
    const schedulerName = pod.spec?.schedulerName ?? "default-scheduler";
    const other = {
      phase: pod.spec?.nodeName ? "Placed" : "Waiting",
      message: `scheduler "${schedulerName}" is not part of this process: it tells in its events and its log`,
    };
    const explanation = source.why(ref.namespace, ref.name) ?? other;
    return {
      value: {
        kind: "PodScheduling",
        apiVersion: "gantry.dev/v1",
        metadata: { name, namespace, uid },
        schedulerName,
        ...(pod.spec?.nodeName && { nodeName: pod.spec.nodeName }),
        ...explanation,
      },
    };
  },
};
