import type { Node, Pod, Taint } from "#formats/kube-types.generated.ts";
import { tolerated, untoleratedTaint } from "#formats/tolerations.ts";
import type { TaintTable } from "../cluster/taint-table.ts";
import type { FilterPlugin, ScorePlugin } from "../framework/plugin.ts";
import { normalizeByHighest } from "../framework/score.ts";
import { verdict } from "../framework/verdict.ts";

const NAME = "TaintToleration";
const UNTOLERATED = verdict(NAME, "UnschedulableAndUnresolvable", "node(s) had untolerated taint(s)");

/** Judges each set of taints once and remembers it: nodes share sets. */
function bySet<V>(taints: TaintTable, judge: (taints: readonly Taint[]) => V): (row: number) => V {
  const known: (V | undefined)[] = [];
  const judged = new Uint8Array(taints.size);
  return (row) => {
    const set = taints.sets[row] ?? 0;
    if (judged[set] === 0) {
      judged[set] = 1;
      known[set] = judge(taints.taints(set));
    }
    return known[set] as V;
  };
}

function isUntolerated(pod: Pod, node: Node): boolean {
  return untoleratedTaint(node.spec?.taints, pod.spec?.tolerations) !== undefined;
}

/** NoSchedule and NoExecute taints keep pods away that do not tolerate them; PreferNoSchedule taints cost score. */
export const taintTolerationPlugin: FilterPlugin & ScorePlugin = {
  name: NAME,
  local: true,
  events: [
    {
      resource: "Node",
      actions: ["Add", "UpdateNodeTaint"],
      helps: ({ pod }, { before, after }) =>
        (before === undefined || isUntolerated(pod, before as Node)) && !isUntolerated(pod, after as Node),
    },
    { resource: "TargetPod", actions: ["UpdatePodToleration"] },
  ],
  preFilter({ pod, cluster }) {
    const { tolerations } = pod.pod.spec ?? {};
    const filter = bySet(cluster.taints, (taints) =>
      untoleratedTaint(taints, tolerations) === undefined ? undefined : UNTOLERATED,
    );
    return { kind: "filter", filter };
  },
  preScore({ pod, cluster }) {
    const soft = (pod.pod.spec?.tolerations ?? []).filter(({ effect }) => !effect || effect === "PreferNoSchedule");
    const score = bySet(
      cluster.taints,
      (taints) => taints.filter((taint) => taint.effect === "PreferNoSchedule" && !tolerated(soft, taint)).length,
    );
    return { score, normalize: (scores) => normalizeByHighest(scores, true) };
  },
};
