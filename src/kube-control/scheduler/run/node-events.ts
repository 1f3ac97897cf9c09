import type { Node } from "#formats/kube-types.generated.ts";
import type { Handler } from "#kube-client/informer.ts";
import { removeNode, setNode } from "../cluster/nodes.ts";
import type { EventAction } from "../framework/plugin.ts";
import type { SchedulerContext } from "./context.ts";

/** Keeps the cluster's nodes in step with the API's, and lets pods try again when a node changes for the better. */
export function nodeHandler({ cluster, queue }: SchedulerContext): Handler<Node> {
  return {
    add(node) {
      setNode(cluster, node);
      queue.changed({ resource: "Node", actions: ["Add"], after: node });
    },
    update(before, after) {
      const actions = changes(before, after);
      // Heartbeats change only conditions, which no plugin reads.
      if (actions.length === 0) return;
      setNode(cluster, after);
      queue.changed({ resource: "Node", actions, before, after });
    },
    delete(node) {
      removeNode(cluster, node.metadata.name ?? "");
      queue.changed({ resource: "Node", actions: ["Delete"], before: node });
    },
  };
}

function changes(before: Node, after: Node): EventAction[] {
  const actions: EventAction[] = [];
  const differ = (a: unknown, b: unknown): boolean => JSON.stringify(a) !== JSON.stringify(b);
  if (differ(before.status?.allocatable, after.status?.allocatable)) actions.push("UpdateNodeAllocatable");
  if (differ(before.metadata.labels, after.metadata.labels)) actions.push("UpdateNodeLabel");
  if (differ(before.spec?.taints, after.spec?.taints)) actions.push("UpdateNodeTaint");
  if (before.spec?.unschedulable !== after.spec?.unschedulable) actions.push("UpdateNodeUnschedulable");
  if (differ(before.status?.images, after.status?.images)) actions.push("Update");
  return actions;
}
