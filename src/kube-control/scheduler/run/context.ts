import type { Clock } from "#base/clock.ts";
import type { Logger } from "#base/logger.ts";
import type { Random } from "#base/random.ts";
import type { Pod } from "#formats/kube-types.generated.ts";
import type { KubeClient } from "#kube-client/client.ts";
import type { EventRecorder } from "#kube-client/events.ts";
import type { ClusterState } from "../cluster/cluster-state.ts";
import type { NamespaceTable } from "../cluster/namespaces.ts";
import type { PodCounts } from "../cluster/pod-groups.ts";
import type { LikePods } from "../framework/like-pods.ts";
import type { Profile } from "../framework/profile.ts";
import type { SchedulingQueue } from "../queue/scheduling-queue.ts";
import type { Extender } from "../extenders/extender.ts";
import type { BindingSlots } from "./binding-slots.ts";
import type { Explanations } from "./explanations.ts";

/** One scheduling cycle, after it: what it came to and how long its decision took (queueing and binding not included). */
export interface ObservedDecision {
  readonly kind: "placed" | "no-nodes" | "unschedulable" | "error";
  readonly durationMs: number;
}

/** What the running scheduler consists of. */
export interface SchedulerContext {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  readonly events: EventRecorder;
  readonly cluster: ClusterState;
  readonly namespaces: NamespaceTable;
  readonly counts: PodCounts;
  readonly queue: SchedulingQueue;
  /** By scheduler name. */
  readonly profiles: ReadonlyMap<string, Profile>;
  /** What was found out for like pods, by profile. */
  readonly likePods: ReadonlyMap<Profile, LikePods>;
  /** Placed by a decision but not yet seen bound, by uid. */
  readonly assumed: Set<string>;
  readonly explanations: Explanations;
  readonly extenders: readonly Extender[];
  readonly bindings: BindingSlots;
  readonly observe: ((decision: ObservedDecision) => void) | undefined;
  /** The informer's present version of a pod. */
  currentPod(key: string): Pod | undefined;
}

/** The profile that schedules a pod; undefined when another scheduler does. */
export function profileOf(context: SchedulerContext, pod: Pod): Profile | undefined {
  return context.profiles.get(pod.spec?.schedulerName ?? "default-scheduler");
}
