import type { Namespace } from "#formats/kube-types.generated.ts";
import type { Handler } from "#kube-client/informer.ts";
import type { SchedulerContext } from "./context.ts";

/** Keeps the labels of namespaces, by which affinity terms select them. */
export function namespaceHandler({ namespaces, counts }: SchedulerContext): Handler<Namespace> {
  const see = ({ metadata }: Namespace): void => {
    namespaces.set(metadata.name ?? "", metadata.labels);
    // What was counted under a condition on namespaces may not hold any more.
    counts.forgetConditions();
  };
  return {
    add: see,
    update(before, after) {
      if (JSON.stringify(before.metadata.labels) !== JSON.stringify(after.metadata.labels)) see(after);
    },
    delete({ metadata }) {
      namespaces.remove(metadata.name ?? "");
      counts.forgetConditions();
    },
  };
}
