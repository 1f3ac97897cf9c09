import { isGantryError } from "#base/errors.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import { kubeTime } from "#formats/kube-time.ts";
import { endNomination } from "../cluster/nominations.ts";
import type { PodInfo } from "../cluster/pod-info.ts";
import type { SchedulerContext } from "./context.ts";

/** Deletes pods so that a more important one finds room; says so in their status and in an event. */
export async function evictFor(
  context: SchedulerContext,
  preemptor: PodInfo,
  victims: readonly PodInfo[],
  nodeName: string,
): Promise<void> {
  dropLesserPromises(context, preemptor, nodeName);
  await Promise.all(victims.map((victim) => evict(context, preemptor, victim, nodeName)));
}

async function evict(context: SchedulerContext, preemptor: PodInfo, victim: PodInfo, nodeName: string): Promise<void> {
  const { namespace, name = "", uid } = victim.pod.metadata;
  const schedulerName = preemptor.pod.spec?.schedulerName ?? "default-scheduler";
  const condition = {
    type: "DisruptionTarget",
    status: "True",
    reason: "PreemptionByScheduler",
    message: `${schedulerName}: preempting to accommodate a higher priority pod`,
    lastTransitionTime: kubeTime(context.clock.now()),
  };
  const body = { metadata: { uid }, status: { conditions: [condition] } };
  try {
    await context.client.patch(RESOURCES.pods, namespace, name, { type: "strategic", body }, "status");
    await context.client.delete(RESOURCES.pods, namespace, name, { preconditions: { uid } });
  } catch (error) {
    if (isGantryError(error, "not-found") || isGantryError(error, "conflict")) return;
    throw error;
  }
  const text = `Preempted by pod ${preemptor.uid} on node ${nodeName}`;
  context.events.record(victim.pod, "Normal", "Preempted", text, "Preempting");
}

/** Less important pods that were promised this node choose anew. */
function dropLesserPromises({ cluster }: SchedulerContext, preemptor: PodInfo, nodeName: string): void {
  for (const { info } of Array.from(cluster.nominatedByNode.get(nodeName) ?? [])) {
    if (info.priority < preemptor.priority) endNomination(cluster, info.uid);
  }
}
