import type { Node, Taint } from "#formats/kube-types.generated.ts";
import { tolerated } from "#formats/tolerations.ts";
import type { FilterPlugin } from "../framework/plugin.ts";
import { verdict } from "../framework/verdict.ts";

const NAME = "NodeUnschedulable";
const CORDONED = verdict(NAME, "UnschedulableAndUnresolvable", "node(s) were unschedulable");
const TAINT: Taint = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" };

/** Cordoned nodes take only pods that tolerate it. */
export const nodeUnschedulablePlugin: FilterPlugin = {
  name: NAME,
  local: true,
  events: [
    {
      resource: "Node",
      actions: ["Add", "UpdateNodeUnschedulable"],
      helps: (_, event) => (event.after as Node | undefined)?.spec?.unschedulable !== true,
    },
    { resource: "TargetPod", actions: ["UpdatePodToleration"] },
  ],
  preFilter({ pod, cluster }) {
    if (tolerated(pod.pod.spec?.tolerations, TAINT)) return { kind: "skip" };
    return { kind: "filter", filter: (row) => (cluster.unschedulable[row] === 1 ? CORDONED : undefined) };
  },
};
