import type { Pod } from "#formats/kube-types.generated.ts";
import { podInfo } from "../cluster/pod-info.ts";
import type { FilterPlugin } from "../framework/plugin.ts";
import { verdict } from "../framework/verdict.ts";

const NAME = "NodePorts";
const TAKEN = verdict(NAME, "Unschedulable", "node(s) didn't have free ports for the requested pod ports");

/** A host port of a node goes to one pod at a time. */
export const nodePortsPlugin: FilterPlugin = {
  name: NAME,
  local: true,
  events: [
    {
      resource: "AssignedPod",
      actions: ["Delete"],
      helps: (pod, event) => {
        const freed = podInfo(event.before as Pod).hostPorts;
        return freed.some((port) => pod.hostPorts.some((each) => each.port === port.port));
      },
    },
    { resource: "Node", actions: ["Add"] },
  ],
  preFilter({ pod, cluster }) {
    if (pod.hostPorts.length === 0) return { kind: "skip" };
    return { kind: "filter", filter: (row) => (cluster.ports.conflict(row, pod.hostPorts) ? TAKEN : undefined) };
  },
};
