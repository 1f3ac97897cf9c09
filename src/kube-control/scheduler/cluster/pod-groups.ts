import type { PlacementListener } from "./cluster-state.ts";
import { listen, type ClusterState } from "./cluster-state.ts";
import type { PodInfo } from "./pod-info.ts";

/** Pods that selectors cannot tell apart: of one namespace, with the same labels. */
export interface PodGroup {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>> | undefined;
  /** Being deleted: spreading does not count such pods. */
  readonly terminating: boolean;
  /** By row; rows without pods of the group are not in it. */
  readonly rows: Map<number, number>;
}

/** Counts, for conditions on namespace and labels, the placed pods that meet them on each node, change by change. */
export interface PodCounts {
  /**
   * By row: how many placed pods meet the condition. `key` names the condition: the same key must always mean the same. Good until the cluster
   * changes.
   */
  count(key: string, meets: (group: PodGroup) => boolean): Int32Array;
  /** What conditions look at besides pods has changed (namespace labels). */
  forgetConditions(): void;
}

interface Condition {
  readonly meets: (group: PodGroup) => boolean;
  counts: Int32Array;
  readonly groups: Set<PodGroup>;
}

/** Conditions kept current at most; past that the least recently asked for is dropped, and counted anew when it is asked for. */
const MAX_CONDITIONS = 256;

/** Counts over a cluster. It keeps a small record for each distinct set of pod labels in use. */
export function podCounts(cluster: ClusterState): PodCounts {
  const groups = new Map<string, PodGroup>();
  const conditions = new Map<string, Condition>();
  const change = (pod: PodInfo, row: number, by: 1 | -1): void => {
    const key = groupKey(pod);
    const group = groups.get(key) ?? addGroup(key, pod);
    const count = (group.rows.get(row) ?? 0) + by;
    if (count > 0) group.rows.set(row, count);
    else group.rows.delete(row);
    for (const condition of conditions.values()) {
      if (!condition.groups.has(group)) continue;
      if (row >= condition.counts.length) condition.counts = grown(condition.counts, cluster.capacity);
      condition.counts[row] = (condition.counts[row] ?? 0) + by;
    }
    if (group.rows.size === 0) removeGroup(key, group);
  };
  const addGroup = (key: string, { namespace, pod }: PodInfo): PodGroup => {
    const terminating = pod.metadata.deletionTimestamp !== undefined;
    const group: PodGroup = { namespace, labels: pod.metadata.labels, terminating, rows: new Map() };
    groups.set(key, group);
    for (const condition of conditions.values()) if (condition.meets(group)) condition.groups.add(group);
    return group;
  };
  const removeGroup = (key: string, group: PodGroup): void => {
    groups.delete(key);
    for (const condition of conditions.values()) condition.groups.delete(group);
  };
  const addCondition = (meets: (group: PodGroup) => boolean): Condition => {
    const condition: Condition = { meets, counts: new Int32Array(cluster.capacity), groups: new Set() };
    for (const group of groups.values()) {
      if (!meets(group)) continue;
      condition.groups.add(group);
      for (const [row, count] of group.rows) condition.counts[row] = (condition.counts[row] ?? 0) + count;
    }
    if (conditions.size >= MAX_CONDITIONS) for (const oldest of conditions.keys()) if (conditions.delete(oldest)) break;
    return condition;
  };
  const listener: PlacementListener = {
    placed: (pod, row) => change(pod, row, 1),
    removed: (pod, row) => change(pod, row, -1),
    nodeChanged: () => undefined,
  };
  listen(cluster, listener);
  return {
    count(key, meets) {
      const condition = conditions.get(key) ?? addCondition(meets);
      conditions.delete(key);
      conditions.set(key, condition);
      if (condition.counts.length < cluster.capacity) condition.counts = grown(condition.counts, cluster.capacity);
      return condition.counts;
    },
    forgetConditions: () => conditions.clear(),
  };
}

function grown(from: Int32Array, length: number): Int32Array {
  const to = new Int32Array(length);
  to.set(from);
  return to;
}

/** The same for pods that selectors cannot tell apart; remembered, since it is asked for at every change. */
const keys = new WeakMap<PodInfo, string>();

function groupKey(info: PodInfo): string {
  const known = keys.get(info);
  if (known !== undefined) return known;
  const { labels = {}, deletionTimestamp } = info.pod.metadata;
  const parts = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  const key = `${info.namespace}\n${deletionTimestamp ? "ending" : ""}\n${parts.map(([name, value]) => `${name}=${value}`).join("\n")}`;
  keys.set(info, key);
  return key;
}
