import { objectKey } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { Node, Pod } from "#formats/kube-types.generated.ts";
import type { EventRecorder } from "#kube-client/events.ts";
import type { Informer } from "#kube-client/informer.ts";
import type { ReconcileResult } from "#kube-client/reconcile-loop.ts";
import { BY_NODE, indexByNode } from "../shared/by-node.ts";
import { controller, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";
import { disrupt } from "../shared/evict-pod.ts";
import { isFinished, isTerminating } from "../shared/pods.ts";
import { semanticEqual } from "../shared/semantic-equal.ts";
import { departure } from "./plan.ts";

const NAME = "taint-eviction-controller";

interface Parts {
  readonly context: ControllerContext;
  readonly pods: Informer<Pod>;
  readonly nodes: Informer<Node>;
  readonly events: EventRecorder;
  /** Keys of pods that will have to leave, and since when that is known. */
  readonly marked: Map<string, number>;
}

/** Deletes pods that do not tolerate a NoExecute taint of their node, when their time is up. */
export function taintEvictionController(context: ControllerContext): Controller {
  const pods = informerOf(context, RESOURCES.pods);
  const nodes = informerOf(context, RESOURCES.nodes);
  pods.addIndex(BY_NODE, indexByNode);
  const parts: Parts = { context, pods, nodes, events: context.events(NAME), marked: new Map() };
  return controller(context, {
    name: NAME,
    workers: 8,
    reconcile: (key) => reconcile(parts, key),
    watch: (queue) => [
      pods.addHandler({
        add: (pod) => void queue.add(objectKey(pod)),
        update(before, after) {
          const moved = before.spec?.nodeName !== after.spec?.nodeName;
          if (moved || !semanticEqual(before.spec?.tolerations, after.spec?.tolerations)) queue.add(objectKey(after));
        },
        delete: (pod) => parts.marked.delete(objectKey(pod)),
      }),
      nodes.addHandler({
        update(before, after) {
          if (semanticEqual(before.spec?.taints, after.spec?.taints)) return;
          for (const pod of pods.cache.byIndex(BY_NODE, objectKey(after))) queue.add(objectKey(pod));
        },
        add: (node) => pods.cache.byIndex(BY_NODE, objectKey(node)).forEach((pod) => queue.add(objectKey(pod))),
      }),
    ],
  });
}

async function reconcile({ context, pods, nodes, events, marked }: Parts, key: string): Promise<ReconcileResult> {
  const pod = pods.cache.get(key);
  const node = nodes.cache.get(pod?.spec?.nodeName ?? "");
  if (!pod || !node || isTerminating(pod) || isFinished(pod)) {
    marked.delete(key);
    return undefined;
  }
  const now = context.clock.now();
  const seen = marked.get(key) ?? now;
  const at = departure(pod, node, seen);
  if (at === "never") {
    if (marked.delete(key)) events.record(pod, "Normal", "TaintManagerEviction", `Cancelling deletion of Pod ${key}`);
    return undefined;
  }
  const wait = at - now;
  if (wait > 0) {
    marked.set(key, seen);
    return { requeueAfterMs: wait };
  }
  marked.delete(key);
  events.record(pod, "Normal", "TaintManagerEviction", `Marking for deletion Pod ${key}`);
  const message = "Taint manager: deleting due to NoExecute taint";
  await disrupt(context, pod, { reason: "DeletionByTaintManager", message });
  return undefined;
}
