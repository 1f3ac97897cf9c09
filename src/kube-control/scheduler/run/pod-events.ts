import type { Pod } from "#formats/kube-types.generated.ts";
import type { Handler } from "#kube-client/informer.ts";
import type { Placement } from "../cluster/cluster-state.ts";
import { endNomination, nominate } from "../cluster/nominations.ts";
import { isTerminal, podInfo, type PodInfo } from "../cluster/pod-info.ts";
import { place, unplace } from "../cluster/placements.ts";
import type { EventAction } from "../framework/plugin.ts";
import { profileOf, type SchedulerContext } from "./context.ts";

/** Keeps the cluster's placements and the queue in step with the API's pods. */
export function podHandler(context: SchedulerContext): Handler<Pod> {
  return {
    add: (pod) => changed(context, undefined, pod),
    update: (before, after) => changed(context, before, after),
    delete(pod) {
      const uid = podInfo(pod).uid;
      context.queue.remove(uid);
      context.explanations.forget(uid);
      const promise = endNomination(context.cluster, uid);
      gone(context, uid, pod);
      if (promise) promiseOver(context, promise);
    },
  };
}

function changed(context: SchedulerContext, before: Pod | undefined, after: Pod): void {
  const info = podInfo(after);
  if (isTerminal(after) || after.spec?.nodeName) endNomination(context.cluster, info.uid);
  if (isTerminal(after)) {
    context.queue.remove(info.uid);
    gone(context, info.uid, after);
    return;
  }
  if (after.spec?.nodeName) {
    context.queue.remove(info.uid);
    assigned(context, info, after.spec.nodeName);
    return;
  }
  if (after.metadata.deletionTimestamp || !profileOf(context, after)) {
    context.queue.remove(info.uid);
    return;
  }
  followPromise(context, info, before);
  if (context.queue.has(info.uid)) context.queue.update(info, before === undefined || isChanged(before, after));
  else context.queue.add(info);
}

/** Follows status.nominatedNodeName when it changes; otherwise what was decided here and is not written yet stands. */
function followPromise({ cluster }: SchedulerContext, info: PodInfo, before: Pod | undefined): void {
  const nodeName = info.pod.status?.nominatedNodeName;
  if (before && before.status?.nominatedNodeName === nodeName) {
    const known = cluster.nominated.get(info.uid);
    if (known) nominate(cluster, info, known.nodeName);
    return;
  }
  if (nodeName) nominate(cluster, info, nodeName);
  else endNomination(cluster, info.uid);
}

/** The pod runs on a node: whoever put it there. */
function assigned(context: SchedulerContext, info: PodInfo, nodeName: string): void {
  const known = context.cluster.placements.get(info.uid);
  context.assumed.delete(info.uid);
  if (!known) {
    place(context.cluster, info, nodeName);
    context.queue.changed({ resource: "AssignedPod", actions: ["Add"], after: info.pod });
    return;
  }
  const actions = changes(known.info, info);
  if (actions.length === 0 && known.nodeName === nodeName) return;
  place(context.cluster, info, nodeName);
  if (actions.length > 0) {
    context.queue.changed({ resource: "AssignedPod", actions, before: known.info.pod, after: info.pod });
  }
}

/** The place that was kept for a pod is free for others, as if it had been there. */
function promiseOver({ queue }: SchedulerContext, { info, nodeName }: Placement): void {
  const before: Pod = { ...info.pod, spec: { containers: [], ...info.pod.spec, nodeName } };
  queue.changed({ resource: "AssignedPod", actions: ["Delete"], before });
}

function gone(context: SchedulerContext, uid: string, pod: Pod): void {
  context.assumed.delete(uid);
  if (unplace(context.cluster, uid))
    context.queue.changed({ resource: "AssignedPod", actions: ["Delete"], before: pod });
}

/** What changed of a placed pod that scheduling looks at; empty: nothing. */
function changes(before: PodInfo, after: PodInfo): EventAction[] {
  const actions: EventAction[] = [];
  if (!sameRecord(before.pod.metadata.labels, after.pod.metadata.labels)) actions.push("UpdatePodLabel");
  if (Array.from(before.requests).some(([name, amount]) => (after.requests.get(name) ?? 0) < amount)) {
    actions.push("UpdatePodScaleDown");
  }
  const grew = Array.from(after.requests).some(([name, amount]) => (before.requests.get(name) ?? 0) < amount);
  const other =
    before.pod.metadata.deletionTimestamp !== after.pod.metadata.deletionTimestamp ||
    before.pod.status?.startTime !== after.pod.status?.startTime ||
    before.priority !== after.priority;
  if (grew || other) actions.push("Update");
  return actions;
}

function sameRecord(a: Readonly<Record<string, string>> = {}, b: Readonly<Record<string, string>> = {}): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

/** A pending pod's change counts when it is in what scheduling looks at; the scheduler's own notes in its status do not. */
function isChanged(before: Pod, after: Pod): boolean {
  return (
    !sameRecord(before.metadata.labels, after.metadata.labels) ||
    JSON.stringify(before.spec) !== JSON.stringify(after.spec)
  );
}
