import { isGantryError } from "#base/errors.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import { kubeTime } from "#formats/kube-time.ts";
import type { Pod, PodCondition, PodStatus } from "#formats/kube-types.generated.ts";
import type { ControllerContext } from "./controller.ts";

export interface Disruption {
  readonly reason: string;
  readonly message: string;
  /** The pod's machine is gone: it cannot end by itself, so it has failed. */
  readonly failed?: boolean;
  readonly gracePeriodSeconds?: number;
}

/** Deletes a pod after noting in its status why (condition DisruptionTarget): a Job does not count it against its back-off limit. */
export async function disrupt(context: ControllerContext, pod: Pod, disruption: Disruption): Promise<void> {
  const { namespace, name = "", uid } = pod.metadata;
  const { reason, message, failed, gracePeriodSeconds } = disruption;
  const condition: PodCondition = {
    type: "DisruptionTarget",
    status: "True",
    reason,
    message,
    lastTransitionTime: kubeTime(context.clock.now()),
  };
  const known = pod.status?.conditions?.find(({ type }) => type === "DisruptionTarget");
  const status: PodStatus = {
    ...(known?.status === "True" && known.reason === reason ? {} : { conditions: [condition] }),
    ...(failed ? { phase: "Failed" } : {}),
  };
  try {
    if (Object.keys(status).length > 0) {
      const body = { metadata: { uid }, status };
      await context.client.patch(RESOURCES.pods, namespace, name, { type: "strategic", body }, "status");
    }
    await context.client.delete(RESOURCES.pods, namespace, name, { preconditions: { uid }, gracePeriodSeconds });
  } catch (error) {
    if (!isGantryError(error, "not-found") && !isGantryError(error, "conflict")) throw error;
  }
}
