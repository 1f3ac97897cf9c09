import type { Node } from "#formats/kube-types.generated.ts";
import { nodeCondition } from "./taints.ts";

/** How much of a zone's nodes has failed. */
export type ZoneState = "Normal" | "PartialDisruption" | "FullDisruption";

/** kube-controller-manager's flags, at their defaults. */
const UNHEALTHY_THRESHOLD = 0.55;
const LARGE_CLUSTER_NODES = 50;
const EVICTION_INTERVAL_MS = 10_000;
const SECONDARY_INTERVAL_MS = 100_000;

/** The zone of a node by its labels. */
export function zoneOf(node: Node): string {
  const labels = node.metadata.labels ?? {};
  return `${labels["topology.kubernetes.io/region"] ?? ""}\n${labels["topology.kubernetes.io/zone"] ?? ""}`;
}

function zoneState(nodes: readonly Node[]): ZoneState {
  const ready = nodes.filter((node) => nodeCondition(node, "Ready")?.status === "True").length;
  const notReady = nodes.length - ready;
  if (ready === 0 && notReady > 0) return "FullDisruption";
  return notReady > 2 && notReady / nodes.length >= UNHEALTHY_THRESHOLD ? "PartialDisruption" : "Normal";
}

export interface ZonePace {
  readonly state: ZoneState;
  /** Time between two nodes whose pods are evicted; undefined: none are. */
  readonly intervalMs: number | undefined;
}

/**
 * How fast nodes of each zone may be emptied: a zone that has failed as a whole is more likely cut off from here than dead. When all have, nothing
 * is evicted; when one has, at the normal pace (the others can take its pods); with more than half of a zone, at a tenth of it, and in small
 * clusters not at all.
 */
export function zonePaces(nodes: Iterable<Node>): Map<string, ZonePace> {
  const zones = Map.groupBy(nodes, zoneOf);
  const states = new Map(Array.from(zones, ([zone, members]) => [zone, zoneState(members)]));
  const allFailed = Array.from(states.values()).every((state) => state === "FullDisruption");
  const paces = Array.from(zones, ([zone, members]): [string, ZonePace] => {
    const state = states.get(zone) ?? "Normal";
    if (allFailed) return [zone, { state, intervalMs: undefined }];
    if (state !== "PartialDisruption") return [zone, { state, intervalMs: EVICTION_INTERVAL_MS }];
    return [zone, { state, intervalMs: members.length > LARGE_CLUSTER_NODES ? SECONDARY_INTERVAL_MS : undefined }];
  });
  return new Map(paces);
}
