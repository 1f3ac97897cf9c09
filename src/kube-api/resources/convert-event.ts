// Events are stored as core/v1; events.k8s.io/v1 names some fields differently (k8s.io/kubernetes pkg/apis/events/v1).
import type { KubeObject } from "#formats/kube-object.ts";

const RENAMED: readonly (readonly [stored: string, served: string])[] = [
  ["involvedObject", "regarding"],
  ["message", "note"],
  ["source", "deprecatedSource"],
  ["firstTimestamp", "deprecatedFirstTimestamp"],
  ["lastTimestamp", "deprecatedLastTimestamp"],
  ["count", "deprecatedCount"],
  ["reportingComponent", "reportingController"],
];
const TO_SERVED = new Map(RENAMED);
const TO_STORED = new Map(RENAMED.map(([stored, served]) => [served, stored]));

function rename(object: KubeObject, names: ReadonlyMap<string, string>, apiVersion: string): KubeObject {
  const fields = Object.entries(object).map(([name, value]) => [names.get(name) ?? name, value] as const);
  return { ...(Object.fromEntries(fields) as unknown as KubeObject), apiVersion };
}

/** events.k8s.io/v1 to core/v1. */
export function storedEvent(object: KubeObject): KubeObject {
  return rename(object, TO_STORED, "v1");
}

/** core/v1 to events.k8s.io/v1. */
export function convertedEvent(object: KubeObject): KubeObject {
  return rename(object, TO_SERVED, "events.k8s.io/v1");
}
