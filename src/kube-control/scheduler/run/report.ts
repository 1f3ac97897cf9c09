import { errorText, isGantryError } from "#base/errors.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import { kubeTime } from "#formats/kube-time.ts";
import type { Pod, PodCondition, PodStatus } from "#formats/kube-types.generated.ts";
import type { PodInfo } from "../cluster/pod-info.ts";
import type { SchedulerContext } from "./context.ts";

/** Says that a pod was not placed: an event, and its PodScheduled condition (when that says something else so far). */
export function reportFailure(
  context: SchedulerContext,
  info: PodInfo,
  failure: {
    readonly reason: "Unschedulable" | "SchedulerError";
    readonly message: string;
    readonly nominatedNode?: string;
  },
): void {
  const pod = context.currentPod(info.key) ?? info.pod;
  context.events.record(pod, "Warning", "FailedScheduling", failure.message, "Scheduling");
  const status: PodStatus = {};
  const known = pod.status?.conditions?.find((condition) => condition.type === "PodScheduled");
  if (known?.status !== "False" || known.reason !== failure.reason || known.message !== failure.message) {
    status.conditions = [condition(context, pod, known, failure)];
  }
  if (failure.nominatedNode !== undefined && failure.nominatedNode !== (pod.status?.nominatedNodeName ?? "")) {
    status.nominatedNodeName = failure.nominatedNode;
  }
  if (Object.keys(status).length > 0) patchStatus(context, pod, status);
}

function condition(
  context: SchedulerContext,
  pod: Pod,
  known: PodCondition | undefined,
  failure: { readonly reason: string; readonly message: string },
): PodCondition {
  const since = known?.status === "False" ? known.lastTransitionTime : undefined;
  return {
    type: "PodScheduled",
    status: "False",
    reason: failure.reason,
    message: failure.message,
    lastTransitionTime: since ?? kubeTime(context.clock.now()),
    ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
  };
}

function patchStatus(context: SchedulerContext, pod: Pod, status: PodStatus): void {
  const { namespace, name = "", uid } = pod.metadata;
  const body = { metadata: { uid }, status };
  context.client
    .patch(RESOURCES.pods, namespace, name, { type: "strategic", body }, "status")
    .catch((error: unknown) => {
      // The pod is gone, or made anew under its name: nothing to say any more.
      if (isGantryError(error, "not-found") || isGantryError(error, "conflict")) return;
      context.logger.warn({ pod: `${namespace ?? ""}/${name}`, error: errorText(error) }, "pod status not updated");
    });
}
