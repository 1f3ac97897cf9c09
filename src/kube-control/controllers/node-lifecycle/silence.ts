import { kubeTime } from "#formats/kube-time.ts";
import type { Node, NodeCondition } from "#formats/kube-types.generated.ts";

const CONDITIONS = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

/** The conditions of a node that is silent: nobody knows; undefined when they say so already. */
export function unknownConditions(node: Node, nowMs: number): NodeCondition[] | undefined {
  const present = node.status?.conditions ?? [];
  const now = kubeTime(nowMs);
  let changed = false;
  const unknown = CONDITIONS.map((type): NodeCondition => {
    const known = present.find((condition) => condition.type === type);
    if (known?.status === "Unknown") return known;
    changed = true;
    const [reason, message] = known
      ? ["NodeStatusUnknown", "Kubelet stopped posting node status."]
      : ["NodeStatusNeverUpdated", "Kubelet never posted node status."];
    const heartbeat = known?.lastHeartbeatTime ?? node.metadata.creationTimestamp;
    return { type, status: "Unknown", reason, message, lastHeartbeatTime: heartbeat, lastTransitionTime: now };
  });
  if (!changed) return undefined;
  return [...present.filter(({ type }) => !CONDITIONS.includes(type)), ...unknown];
}
