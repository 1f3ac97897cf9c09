import type { ClusterEvent } from "../framework/plugin.ts";
import { matchesInterest, type Interests } from "./hints.ts";
import type { QueuedPod } from "./scheduling-queue.ts";

/** Unschedulable pods, found by the plugins that turned them away. */
export interface WaitingPods {
  add(pod: QueuedPod): void;
  remove(pod: QueuedPod): void;
  /** The pod that has waited longest. */
  oldest(): QueuedPod | undefined;
  /** Pods that the event may concern: only those of plugins that wait for events of its kind. */
  candidates(event: ClusterEvent, interests: Interests): QueuedPod[];
}

/** Makes an empty set. */
export function waitingPods(): WaitingPods {
  /** In order of arrival. */
  const all = new Set<QueuedPod>();
  const byRejector = new Map<string, Set<QueuedPod>>();
  const groups = (pod: QueuedPod): Iterable<string> => (pod.rejectors.size === 0 ? [""] : pod.rejectors);
  return {
    add(pod) {
      all.add(pod);
      for (const group of groups(pod)) {
        const pods = byRejector.get(group);
        if (pods) pods.add(pod);
        else byRejector.set(group, new Set([pod]));
      }
    },
    remove(pod) {
      if (!all.delete(pod)) return;
      for (const group of groups(pod)) {
        const pods = byRejector.get(group);
        pods?.delete(pod);
        if (pods?.size === 0) byRejector.delete(group);
      }
    },
    oldest() {
      for (const pod of all) return pod;
      return undefined;
    },
    candidates(event, interests) {
      const found = new Set<QueuedPod>();
      for (const [plugin, pods] of byRejector) {
        const awaited = interests.get(plugin);
        if (awaited && !awaited.some((interest) => matchesInterest(interest, event))) continue;
        for (const pod of pods) found.add(pod);
      }
      return Array.from(found);
    },
  };
}
