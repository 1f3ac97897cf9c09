import { nodeName } from "../cluster/cluster-state.ts";
import type { FilterPlugin } from "../framework/plugin.ts";
import { verdict } from "../framework/verdict.ts";

const NAME = "NodeName";
const MISMATCH = verdict(NAME, "UnschedulableAndUnresolvable", "node(s) didn't match the requested node name");

/** A pod with spec.nodeName goes there or nowhere. */
export const nodeNamePlugin: FilterPlugin = {
  name: NAME,
  local: true,
  events: [{ resource: "Node", actions: ["Add"] }],
  preFilter({ pod, cluster }) {
    const wanted = pod.pod.spec?.nodeName;
    if (!wanted) return { kind: "skip" };
    return { kind: "filter", filter: (row) => (nodeName(cluster, row) === wanted ? undefined : MISMATCH) };
  },
};
