import { parseKubeTime } from "#formats/kube-time.ts";
import type { Pod } from "#formats/kube-types.generated.ts";
import { isReady, readySince } from "../shared/pods.ts";

const DELETION_COST = "controller.kubernetes.io/pod-deletion-cost";
const PHASES: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

/**
 * Which of two pods goes first when there are too many (pkg/controller ActivePodsWithRanks): not assigned, not running, not ready, cheaper by its
 * annotation, more of its kind on the node, ready for less time, more restarts, younger. Times are compared by their order of magnitude,
 * so that of pods of about one age any may go.
 */
export function deletionOrder(relatedOnNode: (nodeName: string) => number, nowMs: number): (a: Pod, b: Pod) => number {
  return (a, b) => {
    const byState =
      Number(Boolean(a.spec?.nodeName)) - Number(Boolean(b.spec?.nodeName)) ||
      phaseRank(a) - phaseRank(b) ||
      Number(isReady(a)) - Number(isReady(b)) ||
      deletionCost(a) - deletionCost(b) ||
      relatedOnNode(b.spec?.nodeName ?? "") - relatedOnNode(a.spec?.nodeName ?? "");
    if (byState !== 0) return byState;
    const readyA = readySince(a);
    const readyB = readySince(b);
    if (readyA !== undefined && readyB !== undefined && readyA !== readyB)
      return youngerFirst(a, b, readyA, readyB, nowMs);
    const byRestarts = restarts(b) - restarts(a);
    if (byRestarts !== 0) return byRestarts;
    const createdA = parseKubeTime(a.metadata.creationTimestamp) ?? 0;
    const createdB = parseKubeTime(b.metadata.creationTimestamp) ?? 0;
    if (createdA !== createdB) return youngerFirst(a, b, createdA, createdB, nowMs);
    return compareText(a.metadata.uid, b.metadata.uid);
  };
}

function youngerFirst(a: Pod, b: Pod, timeA: number, timeB: number, nowMs: number): number {
  if (timeA === 0 || timeB === 0) return timeA === 0 ? -1 : 1;
  return magnitude(nowMs - timeA) - magnitude(nowMs - timeB) || compareText(a.metadata.uid, b.metadata.uid);
}

/** The binary logarithm of an age in nanoseconds. */
function magnitude(ageMs: number): number {
  return ageMs > 0 ? Math.trunc(Math.log2(ageMs * 1e6)) : -1;
}

function phaseRank(pod: Pod): number {
  return PHASES[pod.status?.phase ?? "Pending"] ?? 0;
}

function deletionCost(pod: Pod): number {
  const text = pod.metadata.annotations?.[DELETION_COST];
  return text !== undefined && /^(0|-?[1-9][0-9]*)$/.test(text) ? Number(text) : 0;
}

function restarts(pod: Pod): number {
  return Math.max(0, ...(pod.status?.containerStatuses ?? []).map((status) => status.restartCount ?? 0));
}

function compareText(a = "", b = ""): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
