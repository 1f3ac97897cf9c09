import type { ClusterState } from "../cluster/cluster-state.ts";
import { nodeName } from "../cluster/cluster-state.ts";
import type { Diagnosis } from "../framework/diagnosis.ts";
import type { NodeScore } from "../framework/score.ts";

/** Nodes that share what is against them. */
export interface ReasonGroup {
  readonly reason: string;
  readonly plugin: string;
  /** How many nodes. */
  readonly count: number;
  /** Some of them by name. */
  readonly nodes: readonly string[];
}

/** What the last attempt to place a pod came to. */
export type Explanation =
  | {
      readonly kind: "unschedulable";
      readonly atMs: number;
      readonly message: string;
      readonly reasons: readonly ReasonGroup[];
    }
  | {
      readonly kind: "placed";
      readonly atMs: number;
      readonly nodeName: string;
      readonly scores: readonly NodeScore[] | undefined;
    };

/** The last attempts by pod uid: the most recent ones, so that memory stays bounded. */
export interface Explanations {
  set(uid: string, explanation: Explanation): void;
  get(uid: string): Explanation | undefined;
  forget(uid: string): void;
}

/** Pods whose last attempt is kept; one more drops the oldest. Each takes a few kilobytes at most, however many nodes there are. */
const CAPACITY = 1000;
/** Nodes named in one group: an answer is to be read. */
const MAX_NODES = 20;

/** Makes an empty store. */
export function explanations(): Explanations {
  const kept = new Map<string, Explanation>();
  return {
    set(uid, explanation) {
      kept.delete(uid);
      kept.set(uid, explanation);
      if (kept.size > CAPACITY) for (const oldest of kept.keys()) if (kept.delete(oldest)) break;
    },
    get: (uid) => kept.get(uid),
    forget: (uid) => void kept.delete(uid),
  };
}

/** Nodes by what is against them, the largest group first. */
export function reasonGroups(cluster: ClusterState, diagnosis: Diagnosis | undefined): ReasonGroup[] {
  if (!diagnosis) return [];
  const groups = new Map<string, { reason: string; plugin: string; count: number; nodes: string[] }>();
  const groupOf = (reason: string, plugin: string) => {
    const key = `${plugin}\n${reason}`;
    let group = groups.get(key);
    if (!group) {
      group = { reason, plugin, count: 0, nodes: [] };
      groups.set(key, group);
    }
    return group;
  };
  for (const [row, { plugin, reasons }] of diagnosis.verdicts) {
    for (const reason of reasons) {
      const group = groupOf(reason, plugin);
      group.count++;
      if (group.nodes.length < MAX_NODES) group.nodes.push(nodeName(cluster, row));
    }
  }
  const unjudged = diagnosis.nodeCount - diagnosis.verdicts.size;
  if (diagnosis.absent && unjudged > 0) {
    for (const reason of diagnosis.absent.reasons) groupOf(reason, diagnosis.absent.plugin).count += unjudged;
  }
  return Array.from(groups.values()).sort((a, b) => b.count - a.count);
}
