/** Whom a node ends first when it runs short of something (kubelet's pkg/kubelet/eviction/helpers.go). Pure. */
import { isSidecar } from "#formats/kube-pod.ts";
import { quantityNumber } from "#formats/quantity.ts";
import type { Pod } from "#formats/kube-types.generated.ts";
import { isStatic } from "../pods/labels.ts";

export interface PodStanding {
  readonly pod: Pod;
  /** Of the scarce resource, by container. */
  readonly containers: readonly { readonly name: string; readonly used: number }[];
  readonly used: number;
}

/** Pods from which the kubelet's own and the cluster's needs depend (system-cluster-critical and above). */
const CRITICAL_PRIORITY = 2_000_000_000;

export function isCritical(pod: Pod): boolean {
  return isStatic(pod) || isCriticalByPriority(pod);
}

export function isCriticalByPriority({ spec }: Pod): boolean {
  return (spec?.priority ?? 0) >= CRITICAL_PRIORITY;
}

/** Those that use more than they asked for come first, then those of low priority, then those that use most beyond their request. */
export function evictionOrder(pods: readonly PodStanding[], resource: string): PodStanding[] {
  const over = (standing: PodStanding): number => standing.used - requestOf(standing.pod, resource);
  return pods
    .filter(({ pod }) => !isCritical(pod))
    .toSorted(
      (a, b) =>
        Number(over(b) > 0) - Number(over(a) > 0) ||
        (a.pod.spec?.priority ?? 0) - (b.pod.spec?.priority ?? 0) ||
        over(b) - over(a),
    );
}

/** What the pod asked for; nothing counts as asked for of what nobody can ask for. */
function requestOf({ spec }: Pod, resource: string): number {
  const of = (list: readonly { resources?: { requests?: Record<string, string> } }[] | undefined): number =>
    (list ?? []).reduce((sum, { resources }) => sum + quantityNumber(resources?.requests?.[resource]), 0);
  return of(spec?.containers) + of(spec?.initContainers?.filter(isSidecar));
}

/** In the kubelet's words: what was short, and who used more than asked for. */
export function evictionMessage(
  { pod, containers }: PodStanding,
  resource: string,
  threshold: { readonly text: string; readonly available: number },
): string {
  const amount = (value: number): string =>
    resource === "pids" || resource === "inodes" ? String(value) : kibi(value);
  const greedy = containers.flatMap(({ name, used }) => {
    const request = pod.spec?.containers.find((each) => each.name === name)?.resources?.requests?.[resource] ?? "0";
    if (used <= quantityNumber(request)) return [];
    return [
      `Container ${name} was using ${amount(used)}, request is ${request}, has larger consumption of ${resource}. `,
    ];
  });
  return `The node was low on resource: ${resource}. Threshold quantity: ${threshold.text}, available: ${amount(threshold.available)}. ${greedy.join("")}`;
}

function kibi(bytes: number): string {
  return `${Math.floor(bytes / 1024)}Ki`;
}
