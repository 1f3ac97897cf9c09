import type { DaemonSet, DaemonSetStatus, Node, Pod } from "#formats/kube-types.generated.ts";
import { scaledValue } from "../shared/int-or-percent.ts";
import { isAvailable, isFinished, isReady, isTerminating } from "../shared/pods.ts";
import { REVISION_LABEL } from "../shared/revisions.ts";
import { eligibility } from "./eligible.ts";

export interface DaemonSetObserved {
  readonly daemonSet: DaemonSet;
  readonly nodes: readonly Node[];
  /** The daemon set's pods by the node they are on or meant for. */
  readonly podsByNode: ReadonlyMap<string, readonly Pod[]>;
  /** The label value of pods of the present template. */
  readonly hash: string;
  readonly nowMs: number;
}

export interface DaemonSetPlan {
  /** Nodes to get a pod. */
  readonly create: readonly string[];
  readonly delete: readonly Pod[];
  /** Failed pods among those to delete: they are made anew with growing delays. */
  readonly failed: readonly Pod[];
}

/** One pod on each node that should have one, none elsewhere; then, unless `OnDelete`, old ones replaced within the limits. */
export function planDaemons(observed: DaemonSetObserved): DaemonSetPlan {
  if (observed.daemonSet.metadata.deletionTimestamp) return { create: [], delete: [], failed: [] };
  const create: string[] = [];
  const remove: Pod[] = [];
  const failed: Pod[] = [];
  for (const node of observed.nodes) {
    const name = node.metadata.name ?? "";
    const pods = present(observed, name);
    const { shouldRun, mayStay } = eligibility(observed.daemonSet, node);
    if (shouldRun && pods.length === 0) create.push(name);
    else if (!mayStay) remove.push(...pods.filter((pod) => !isTerminating(pod)));
    else {
      const ended = pods.filter((pod) => isFinished(pod) && !isTerminating(pod));
      failed.push(...ended);
      remove.push(
        ...ended,
        ...surplus(
          observed,
          pods.filter((pod) => !isFinished(pod) && !isTerminating(pod)),
        ),
      );
    }
  }
  remove.push(...misplaced(observed));
  if (remove.length + create.length > 0) return { create, delete: remove, failed };
  return planUpdate(observed);
}

/** Pods that count: not those that have ended and are on their way out. */
function present({ podsByNode }: DaemonSetObserved, nodeName: string): Pod[] {
  return (podsByNode.get(nodeName) ?? []).filter((pod) => !(isFinished(pod) && isTerminating(pod)));
}

/** Of several on one node the oldest stays; with a surge, an old one stays beside its successor until that is available. */
function surplus(observed: DaemonSetObserved, running: readonly Pod[]): Pod[] {
  if (running.length <= 1) return [];
  const sorted = running.toSorted(byAge);
  if (limits(observed).surge === 0) return sorted.slice(1);
  const isNew = (pod: Pod): boolean => pod.metadata.labels?.[REVISION_LABEL] === observed.hash;
  const [oldPod, ...moreOld] = sorted.filter((pod) => !isNew(pod));
  const [newPod, ...moreNew] = sorted.filter(isNew);
  const extra = [...moreOld, ...moreNew];
  const replaced = oldPod && newPod && (available(observed, newPod) || !available(observed, oldPod)) ? [oldPod] : [];
  return [...extra, ...replaced];
}

/** Pods waiting for a node that is not there any more. */
function misplaced({ podsByNode, nodes }: DaemonSetObserved): Pod[] {
  const known = new Set(nodes.map(({ metadata }) => metadata.name ?? ""));
  return Array.from(podsByNode).flatMap(([name, pods]) =>
    known.has(name) ? [] : pods.filter((pod) => !pod.spec?.nodeName && !isTerminating(pod)),
  );
}

function planUpdate(observed: DaemonSetObserved): DaemonSetPlan {
  const nothing: DaemonSetPlan = { create: [], delete: [], failed: [] };
  if (observed.daemonSet.spec?.updateStrategy?.type === "OnDelete") return nothing;
  const { surge } = limits(observed);
  return surge === 0 ? { ...nothing, delete: replaceInPlace(observed) } : surgeUpdate(observed, surge);
}

/** Old pods that may go now: those that do not work anyway, then as many as may be missing. */
function replaceInPlace(observed: DaemonSetObserved): Pod[] {
  const { unavailable: most } = limits(observed);
  const broken: Pod[] = [];
  const candidates: Pod[] = [];
  let unavailable = 0;
  for (const name of wantedNodes(observed)) {
    const { oldPod, newPod } = versions(observed, name);
    if (newPod && !oldPod) unavailable += available(observed, newPod) ? 0 : 1;
    else if (oldPod && !newPod && !isTerminating(oldPod)) {
      const works = available(observed, oldPod);
      (works ? candidates : broken).push(oldPod);
      if (!works) unavailable++;
    } else unavailable++;
  }
  return [...broken, ...candidates.slice(0, Math.max(0, most - unavailable))];
}

/** New pods beside old ones, on as many nodes at once as the surge says. */
function surgeUpdate(observed: DaemonSetObserved, surge: number): DaemonSetPlan {
  const create: string[] = [];
  let underWay = 0;
  for (const name of wantedNodes(observed)) {
    const { oldPod, newPod } = versions(observed, name);
    if (oldPod && newPod) underWay++;
    else if (newPod && !available(observed, newPod)) underWay++;
    else if (oldPod && !newPod) create.push(name);
  }
  return { create: create.slice(0, Math.max(0, surge - underWay)), delete: [], failed: [] };
}

function versions(observed: DaemonSetObserved, nodeName: string): { oldPod: Pod | undefined; newPod: Pod | undefined } {
  const pods = present(observed, nodeName);
  const isNew = (pod: Pod): boolean => pod.metadata.labels?.[REVISION_LABEL] === observed.hash;
  return { oldPod: pods.find((pod) => !isNew(pod)), newPod: pods.find(isNew) };
}

function wantedNodes({ daemonSet, nodes }: DaemonSetObserved): string[] {
  return nodes.filter((node) => eligibility(daemonSet, node).shouldRun).map(({ metadata }) => metadata.name ?? "");
}

function limits(observed: DaemonSetObserved): { surge: number; unavailable: number } {
  const count = wantedNodes(observed).length;
  const rolling = observed.daemonSet.spec?.updateStrategy?.rollingUpdate;
  const surge = scaledValue(rolling?.maxSurge ?? 0, count, true);
  const unavailable = scaledValue(rolling?.maxUnavailable ?? 1, count, true);
  return surge === 0 && unavailable === 0 ? { surge, unavailable: 1 } : { surge, unavailable };
}

function available({ daemonSet, nowMs }: DaemonSetObserved, pod: Pod): boolean {
  return !isTerminating(pod) && isAvailable(pod, daemonSet.spec?.minReadySeconds ?? 0, nowMs);
}

/** Scheduled before unscheduled, then the oldest first. */
function byAge(a: Pod, b: Pod): number {
  const created = ({ metadata }: Pod): number => Date.parse(metadata.creationTimestamp ?? "");
  return Number(!a.spec?.nodeName) - Number(!b.spec?.nodeName) || created(a) - created(b);
}

/** The numbers of the status. */
export function daemonStatus(observed: DaemonSetObserved): DaemonSetStatus {
  const { daemonSet, nodes, hash } = observed;
  const numbers = {
    desiredNumberScheduled: 0,
    currentNumberScheduled: 0,
    numberMisscheduled: 0,
    numberReady: 0,
    updatedNumberScheduled: 0,
    numberAvailable: 0,
  };
  for (const node of nodes) {
    const { shouldRun } = eligibility(daemonSet, node);
    const pods = present(observed, node.metadata.name ?? "").toSorted(byAge);
    const [oldest] = pods;
    if (!shouldRun) {
      if (oldest) numbers.numberMisscheduled++;
      continue;
    }
    numbers.desiredNumberScheduled++;
    if (!oldest) continue;
    numbers.currentNumberScheduled++;
    if (pods.some((pod) => isReady(pod) && !isTerminating(pod))) numbers.numberReady++;
    if (pods.some((pod) => available(observed, pod))) numbers.numberAvailable++;
    if (pods.some((pod) => pod.metadata.labels?.[REVISION_LABEL] === hash)) numbers.updatedNumberScheduled++;
  }
  return {
    ...daemonSet.status,
    ...numbers,
    numberUnavailable: numbers.desiredNumberScheduled - numbers.numberAvailable,
    observedGeneration: daemonSet.metadata.generation,
  };
}
