import { parseKubeTime } from "#formats/kube-time.ts";
import type { Node, Pod, Taint } from "#formats/kube-types.generated.ts";
import { tolerates } from "#formats/tolerations.ts";

/** When a pod has to leave its node, in epoch milliseconds: `never`, or a time that may have passed. */
export type Departure = number | "never";

/**
 * When the NoExecute taints of its node make a pod leave (pkg/controller/tainteviction): at once when one is not tolerated; otherwise when the
 * shortest of the tolerations that have a time runs out, counted from the taint's being added, or, when it does not say, from `seenMs`.
 */
export function departure(pod: Pod, node: Node, seenMs: number): Departure {
  const taints = (node.spec?.taints ?? []).filter(({ effect }) => effect === "NoExecute");
  let earliest: Departure = "never";
  for (const taint of taints) {
    const seconds = toleratedSeconds(pod, taint);
    if (seconds === "never") continue;
    const at = seconds <= 0 ? 0 : (parseKubeTime(taint.timeAdded) ?? seenMs) + seconds * 1000;
    if (earliest === "never" || at < earliest) earliest = at;
  }
  return earliest;
}

/** How long a pod stays with a taint; `never`: it need not leave. */
function toleratedSeconds(pod: Pod, taint: Taint): number | "never" {
  const matching = (pod.spec?.tolerations ?? []).filter((toleration) => tolerates(toleration, taint));
  if (matching.length === 0) return 0;
  const times = matching.map(({ tolerationSeconds }) => tolerationSeconds).filter((seconds) => seconds !== undefined);
  return times.length === 0 ? "never" : Math.min(...times);
}
