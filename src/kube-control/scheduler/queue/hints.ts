import type { ClusterEvent, EventInterest } from "../framework/plugin.ts";
import type { QueuedPod } from "./scheduling-queue.ts";

export type Interests = ReadonlyMap<string, readonly EventInterest[]>;

/** True when the event is one the plugin waits for. */
export function matchesInterest(interest: EventInterest, event: ClusterEvent): boolean {
  return interest.resource === event.resource && event.actions.some((action) => interest.actions.includes(action));
}

/** True when the event may let the pod fit: one of the plugins that turned it away waits for it and does not say that it is no help. */
export function helps(pod: QueuedPod, event: ClusterEvent, interests: Interests): boolean {
  if (pod.rejectors.size === 0) return true;
  for (const plugin of pod.rejectors) {
    const awaited = interests.get(plugin);
    if (!awaited) return true;
    const found = awaited.find((interest) => matchesInterest(interest, event));
    if (found && (found.helps === undefined || found.helps(pod.info, event))) return true;
  }
  return false;
}
