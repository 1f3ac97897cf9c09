import type { Container, Pod } from "#formats/kube-types.generated.ts";
import type { EventRecorder, EventType } from "#kube-client/events.ts";

/** Records an event about one container of a pod: `kubectl describe` and `kubectl events --for` show which one is meant. */
export function containerEvent(
  { events }: { readonly events: EventRecorder },
  pod: Pod,
  container: Pick<Container, "name">,
  type: EventType,
  reason: string,
  message: string,
): void {
  events.record(pod, type, reason, message, undefined, fieldPathOf(pod, container.name));
}

/** Pure: where a container stands in its pod's document (kubelet's container/ref.go); undefined for one that is in none of the lists. */
export function fieldPathOf({ spec }: Pod, name: string): string | undefined {
  const lists = {
    containers: spec?.containers,
    initContainers: spec?.initContainers,
    ephemeralContainers: spec?.ephemeralContainers,
  };
  for (const [list, containers] of Object.entries(lists))
    if (containers?.some((container) => container.name === name)) return `spec.${list}{${name}}`;
  return undefined;
}
