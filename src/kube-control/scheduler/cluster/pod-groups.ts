import type { PlacementListener } from "./cluster-state.ts";
import { listen, type ClusterState } from "./cluster-state.ts";
import { grownInts } from "./grow.ts";
import type { PodInfo } from "./pod-info.ts";
import { domainView, type DomainSums, type DomainView } from "./topology.ts";

/** Pods that selectors cannot tell apart: of one namespace, with the same labels. */
export interface PodGroup {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>> | undefined;
  /** Being deleted: spreading does not count such pods. */
  readonly terminating: boolean;
}

/** Counts, for conditions on namespace and labels, the placed pods that meet them on each node, change by change. */
export interface PodCounts {
  /**
   * By row: how many placed pods meet the condition. `key` names the condition: the same key must always mean the same. Good until the cluster
   * changes.
   */
  count(key: string, meets: (group: PodGroup) => boolean): Int32Array;
  /** The same by the domains of a topology key. */
  byDomain(key: string, meets: (group: PodGroup) => boolean, topologyKey: string): DomainSums;
  /** What conditions look at besides pods has changed (namespace labels). */
  forgetConditions(): void;
}

interface Group extends PodGroup {
  /** By row; rows without pods of the group are not in it. */
  readonly rows: Map<number, number>;
  /** That it meets. */
  conditions: Condition[];
}

interface Condition {
  readonly meets: (group: PodGroup) => boolean;
  counts: Int32Array;
  readonly views: Map<string, DomainView>;
}

/** Conditions kept current at most; past that the least recently asked for is dropped, and counted anew when it is asked for. */
const MAX_CONDITIONS = 256;

/** Counts over a cluster. It keeps a small record for each distinct set of pod labels in use. */
export function podCounts(cluster: ClusterState): PodCounts {
  const groups = new Map<string, Group>();
  const conditions = new Map<string, Condition>();
  const change = (pod: PodInfo, row: number, by: 1 | -1): void => {
    const key = groupKey(pod);
    const group = groups.get(key) ?? addGroup(key, pod);
    const count = (group.rows.get(row) ?? 0) + by;
    if (count > 0) group.rows.set(row, count);
    else group.rows.delete(row);
    for (const condition of group.conditions) {
      if (row >= condition.counts.length) condition.counts = grownInts(condition.counts, cluster.capacity);
      condition.counts[row] = (condition.counts[row] ?? 0) + by;
      for (const view of condition.views.values()) view.add(row, by);
    }
    if (group.rows.size === 0) groups.delete(key);
  };
  const addGroup = (key: string, { namespace, pod }: PodInfo): Group => {
    const terminating = pod.metadata.deletionTimestamp !== undefined;
    const group: Group = { namespace, labels: pod.metadata.labels, terminating, rows: new Map(), conditions: [] };
    groups.set(key, group);
    for (const condition of conditions.values()) if (condition.meets(group)) group.conditions.push(condition);
    return group;
  };
  const addCondition = (meets: (group: PodGroup) => boolean): Condition => {
    const condition: Condition = { meets, counts: new Int32Array(cluster.capacity), views: new Map() };
    for (const group of groups.values()) {
      if (!meets(group)) continue;
      group.conditions.push(condition);
      for (const [row, count] of group.rows) condition.counts[row] = (condition.counts[row] ?? 0) + count;
    }
    return condition;
  };
  const drop = (key: string): void => {
    const condition = conditions.get(key);
    conditions.delete(key);
    for (const group of groups.values()) group.conditions = group.conditions.filter((each) => each !== condition);
  };
  const conditionOf = (key: string, meets: (group: PodGroup) => boolean): Condition => {
    const known = conditions.get(key);
    const condition = known ?? addCondition(meets);
    if (known) conditions.delete(key);
    conditions.set(key, condition);
    if (!known && conditions.size > MAX_CONDITIONS) drop(conditions.keys().next().value ?? "");
    if (condition.counts.length < cluster.capacity) condition.counts = grownInts(condition.counts, cluster.capacity);
    return condition;
  };
  const listener: PlacementListener = {
    placed: (pod, row) => change(pod, row, 1),
    removed: (pod, row) => change(pod, row, -1),
    nodeChanged: () => undefined,
  };
  listen(cluster, listener);
  return {
    count: (key, meets) => conditionOf(key, meets).counts,
    byDomain(key, meets, topologyKey) {
      const condition = conditionOf(key, meets);
      let view = condition.views.get(topologyKey);
      if (!view) {
        view = domainView(cluster, topologyKey, () => countedRows(cluster, condition));
        condition.views.set(topologyKey, view);
      }
      return view.current();
    },
    forgetConditions() {
      conditions.clear();
      for (const group of groups.values()) group.conditions = [];
    },
  };
}

function* countedRows(cluster: ClusterState, { counts }: Condition): Generator<[number, number]> {
  for (const row of cluster.rows) if (counts[row]) yield [row, counts[row]];
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
