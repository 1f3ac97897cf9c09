import type { Node, NodeCondition, Taint } from "#formats/kube-types.generated.ts";

export const NOT_READY = "node.kubernetes.io/not-ready";
export const UNREACHABLE = "node.kubernetes.io/unreachable";
const UNSCHEDULABLE = "node.kubernetes.io/unschedulable";

/** Conditions, and the NoSchedule taints that their statuses bring (pkg/controller/nodelifecycle nodeConditionToTaintKeyStatusMap). */
const CONDITION_TAINTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Ready: { False: NOT_READY, Unknown: UNREACHABLE },
  MemoryPressure: { True: "node.kubernetes.io/memory-pressure" },
  DiskPressure: { True: "node.kubernetes.io/disk-pressure" },
  NetworkUnavailable: { True: "node.kubernetes.io/network-unavailable" },
  PIDPressure: { True: "node.kubernetes.io/pid-pressure" },
};
const OWN_KEYS = new Set([
  UNSCHEDULABLE,
  ...Object.values(CONDITION_TAINTS).flatMap((byStatus) => Object.values(byStatus)),
]);

export function nodeCondition(node: Node, type: string): NodeCondition | undefined {
  return node.status?.conditions?.find((condition) => condition.type === type);
}

/** The NoSchedule taints that a node's conditions and its cordon ask for. */
export function noScheduleKeys(node: Node): string[] {
  const keys = (node.status?.conditions ?? []).flatMap(({ type, status }) => CONDITION_TAINTS[type]?.[status] ?? []);
  return node.spec?.unschedulable ? [...keys, UNSCHEDULABLE] : keys;
}

/** The key of the NoExecute taint that a node's readiness asks for; undefined when it is ready. */
export function noExecuteKey(node: Node): string | undefined {
  const ready = nodeCondition(node, "Ready");
  return ready && CONDITION_TAINTS["Ready"]?.[ready.status];
}

/** A node's taints with its conditions' ones put right. `evict` undefined: the NoExecute ones stay as they are. */
export function desiredTaints(node: Node, evict: string | null | undefined, now: string): Taint[] {
  const present = node.spec?.taints ?? [];
  const wanted: Taint[] = [
    ...noScheduleKeys(node).map((key) => ({ key, effect: "NoSchedule" })),
    ...(evict ? [{ key: evict, effect: "NoExecute" }] : []),
  ];
  const isOwn = ({ key, effect }: Taint): boolean => {
    if (effect === "NoExecute") return evict !== undefined && (key === NOT_READY || key === UNREACHABLE);
    return effect === "NoSchedule" && OWN_KEYS.has(key);
  };
  const same = (a: Taint, b: Taint): boolean => a.key === b.key && a.effect === b.effect;
  const kept = present.filter((taint) => !isOwn(taint) || wanted.some((each) => same(each, taint)));
  const added = wanted
    .filter((taint) => !present.some((each) => same(each, taint)))
    .map((taint) => ({ ...taint, timeAdded: now }));
  return [...kept, ...added];
}
