import type { DaemonSet, Node, PodSpec, Toleration } from "#formats/kube-types.generated.ts";
import { matchesPodNodeAffinity } from "#formats/node-selectors.ts";
import { untoleratedTaint } from "#formats/tolerations.ts";

const key = (name: string, effect: string): Toleration => ({
  key: `node.kubernetes.io/${name}`,
  operator: "Exists",
  effect,
});

/** Daemons stay when their node has trouble: they may be there to end it (pkg/controller/daemon/util AddOrUpdateDaemonPodTolerations). */
const TOLERATIONS: readonly Toleration[] = [
  key("not-ready", "NoExecute"),
  key("unreachable", "NoExecute"),
  key("disk-pressure", "NoSchedule"),
  key("memory-pressure", "NoSchedule"),
  key("pid-pressure", "NoSchedule"),
  key("unschedulable", "NoSchedule"),
];

/** The tolerations of a daemon's pods. */
export function daemonTolerations(spec: PodSpec): Toleration[] {
  const own = spec.hostNetwork ? [...TOLERATIONS, key("network-unavailable", "NoSchedule")] : TOLERATIONS;
  const same = (a: Toleration, b: Toleration): boolean =>
    a.key === b.key && a.effect === b.effect && a.operator === b.operator;
  const kept = (spec.tolerations ?? []).filter((toleration) => !own.some((each) => same(each, toleration)));
  return [...kept, ...own];
}

/** Whether a node should have a daemon's pod, and whether one that is there may stay. */
export interface Eligibility {
  readonly shouldRun: boolean;
  readonly mayStay: boolean;
}

/** Judges a node for a daemon set. */
export function eligibility(daemonSet: DaemonSet, node: Node): Eligibility {
  const spec = daemonSet.spec?.template?.spec;
  const named = spec?.nodeName === undefined || spec.nodeName === "" || spec.nodeName === node.metadata.name;
  if (!spec || !named || !matchesPodNodeAffinity(spec, node)) return { shouldRun: false, mayStay: false };
  const tolerations = daemonTolerations(spec);
  if (!untoleratedTaint(node.spec?.taints, tolerations)) return { shouldRun: true, mayStay: true };
  return { shouldRun: false, mayStay: !untoleratedTaint(node.spec?.taints, tolerations, ["NoExecute"]) };
}
