import type { Clock } from "#base/clock.ts";
import type { PodInfo } from "../cluster/pod-info.ts";
import type { ClusterEvent, EventInterest, QueueSortPlugin } from "../framework/plugin.ts";
import { heap } from "./heap.ts";
import { prioritySortPlugin } from "../plugins/priority-sort.ts";
import { helps, matchesInterest } from "./hints.ts";
import { waitingPods } from "./waiting-pods.ts";

/** A pod that waits to be scheduled. */
export interface QueuedPod {
  info: PodInfo;
  /** Scheduling cycles so far. */
  attempts: number;
  /** When it joined the active queue. */
  queuedAtMs: number;
  /** Orders pods that joined in the same millisecond. */
  sequence: number;
  readonly firstQueuedAtMs: number;
  place: "active" | "backoff" | "unschedulable" | "gated" | "taken";
  /** Not to be tried before. */
  backoffUntilMs: number;
  /** The last cycle failed for a reason other than no node fitting: the back-off is waited for to its end. */
  errored: boolean;
  /** Since when it has been unschedulable. */
  parkedAtMs: number;
  /** Plugins that turned nodes away in the last cycle. */
  rejectors: ReadonlySet<string>;
  /** The plugin that holds it back, while it is gated. */
  gatedBy: string;
}

export interface SchedulingQueueOptions {
  readonly clock: Clock;
  /** What each plugin waits for; a plugin that is not listed may be helped by anything. */
  readonly interests: ReadonlyMap<string, readonly EventInterest[]>;
  /** The plugin that holds the pod back (PreEnqueue); undefined: it may be scheduled. */
  readonly gated: (info: PodInfo) => string | undefined;
  /** PrioritySort if not given. */
  readonly sort?: QueueSortPlugin;
  /** There is a pod to take. */
  readonly onReady: () => void;
  readonly initialBackoffMs?: number;
  readonly maxBackoffMs?: number;
  /** A pod is tried again after this long, even without an event that helps. */
  readonly maxUnschedulableMs?: number;
}

/** kube-scheduler's queue: active (by priority, then age), back-off, and unschedulable until an event helps. One entry for each pending pod. */
export interface SchedulingQueue {
  add(info: PodInfo): void;
  /** A newer version of a pod; `changed`: something that scheduling looks at. */
  update(info: PodInfo, changed: boolean): void;
  remove(uid: string): void;
  has(uid: string): boolean;
  /** Takes the next pod; give it back with one of the three calls below, or forget it with `remove`. */
  take(): QueuedPod | undefined;
  /** No node fits: wait for an event that helps. */
  park(pod: QueuedPod, rejectors: ReadonlySet<string>): void;
  /** Something else failed: try again after a back-off. */
  retry(pod: QueuedPod): void;
  /** Something changed in the cluster: pods it may help leave the unschedulable. */
  changed(event: ClusterEvent): void;
  /** Pods by place. */
  counts(): Record<QueuedPod["place"], number>;
  stop(): void;
}

/** Makes an empty queue. Timers are set only for the next back-off to end and the next pod to be tried without an event. */
export function schedulingQueue(options: SchedulingQueueOptions): SchedulingQueue {
  const { clock, interests, initialBackoffMs = 1000, maxBackoffMs = 10_000, maxUnschedulableMs = 300_000 } = options;
  const pods = new Map<string, QueuedPod>();
  const { before } = options.sort ?? prioritySortPlugin;
  const active = heap<QueuedPod>((a, b) => before(a, b) || (!before(b, a) && a.sequence < b.sequence));
  /** Pods that wait only for room, and pods whose last cycle failed otherwise. */
  const backoff = heap<QueuedPod>((a, b) => a.backoffUntilMs < b.backoffUntilMs);
  const errors = heap<QueuedPod>((a, b) => a.backoffUntilMs < b.backoffUntilMs);
  const unschedulable = waitingPods();
  /** Held back by a plugin that waits for events. */
  const gated = new Set<QueuedPod>();
  let sequence = 0;
  let cancelTimer = (): void => undefined;
  let timerAt = Number.POSITIVE_INFINITY;

  const activate = (pod: QueuedPod): void => {
    pod.place = "active";
    pod.queuedAtMs = clock.now();
    pod.sequence = sequence++;
    active.push(pod);
    options.onReady();
  };
  const leave = (pod: QueuedPod): void => {
    active.remove(pod);
    backoff.remove(pod);
    errors.remove(pod);
    unschedulable.remove(pod);
    gated.delete(pod);
  };
  /** To the back-off queue, or straight on when that is over. A pod that only waits for room goes as soon as nothing else is to be done. */
  const requeue = (pod: QueuedPod): void => {
    if (pod.backoffUntilMs <= clock.now()) {
      activate(pod);
      return;
    }
    pod.place = "backoff";
    (pod.errored ? errors : backoff).push(pod);
    if (!pod.errored) options.onReady();
    setTimer();
  };
  const onTimer = (): void => {
    timerAt = Number.POSITIVE_INFINITY;
    const now = clock.now();
    for (const queue of [backoff, errors]) {
      for (let next = queue.peek(); next && next.backoffUntilMs <= now; next = queue.peek()) {
        queue.pop();
        activate(next);
      }
    }
    for (
      let next = unschedulable.oldest();
      next && next.parkedAtMs + maxUnschedulableMs <= now;
      next = unschedulable.oldest()
    ) {
      unschedulable.remove(next);
      requeue(next);
    }
    setTimer();
  };
  const setTimer = (): void => {
    const ends = Math.min(
      ...[backoff, errors].map((queue) => queue.peek()?.backoffUntilMs ?? Number.POSITIVE_INFINITY),
    );
    const parked = unschedulable.oldest()?.parkedAtMs ?? Number.POSITIVE_INFINITY;
    const at = Math.min(ends, parked + maxUnschedulableMs);
    if (at >= timerAt) return;
    cancelTimer();
    timerAt = at;
    cancelTimer = clock.after(at - clock.now(), onTimer);
  };
  const enter = (pod: QueuedPod): void => {
    const plugin = options.gated(pod.info);
    if (plugin === undefined) {
      activate(pod);
      return;
    }
    pod.place = "gated";
    pod.gatedBy = plugin;
    // Only where something else than the pod's own change can let it go.
    if (interests.get(plugin)?.some(({ resource }) => resource !== "TargetPod")) gated.add(pod);
  };
  const delayOf = (attempts: number): number =>
    Math.min(initialBackoffMs * 2 ** Math.max(0, attempts - 1), maxBackoffMs);

  return {
    add(info) {
      if (pods.has(info.uid)) return;
      const pod = newEntry(info, clock.now());
      pods.set(info.uid, pod);
      enter(pod);
    },
    update(info, changed) {
      const pod = pods.get(info.uid);
      if (!pod) return;
      const reorder = pod.place === "active" && pod.info.priority !== info.priority;
      if (reorder) active.remove(pod);
      pod.info = info;
      if (reorder) active.push(pod);
      if (pod.place === "gated") {
        gated.delete(pod);
        enter(pod);
      } else if (pod.place === "unschedulable" && changed) {
        unschedulable.remove(pod);
        requeue(pod);
      }
    },
    remove(uid) {
      const pod = pods.get(uid);
      if (!pod) return;
      pods.delete(uid);
      leave(pod);
    },
    has: (uid) => pods.has(uid),
    take() {
      // A pod that waits only for room need not wait when there is nothing better to do.
      const pod = active.pop() ?? backoff.pop();
      if (!pod) return undefined;
      pod.place = "taken";
      pod.attempts++;
      return pod;
    },
    park(pod, rejectors) {
      if (pods.get(pod.info.uid) !== pod) return;
      pod.place = "unschedulable";
      pod.rejectors = rejectors;
      pod.errored = false;
      pod.parkedAtMs = clock.now();
      pod.backoffUntilMs = clock.now() + delayOf(pod.attempts);
      unschedulable.add(pod);
      setTimer();
    },
    retry(pod) {
      if (pods.get(pod.info.uid) !== pod) return;
      pod.errored = true;
      pod.rejectors = new Set();
      pod.backoffUntilMs = clock.now() + delayOf(pod.attempts);
      requeue(pod);
    },
    changed(event) {
      for (const pod of gated) {
        const awaited = interests.get(pod.gatedBy) ?? [];
        if (!awaited.some((each) => matchesInterest(each, event) && (each.helps?.(pod.info, event) ?? true))) continue;
        gated.delete(pod);
        enter(pod);
      }
      for (const pod of unschedulable.candidates(event, interests)) {
        if (!helps(pod, event, interests)) continue;
        unschedulable.remove(pod);
        requeue(pod);
      }
    },
    counts() {
      const counts = { active: 0, backoff: 0, unschedulable: 0, gated: 0, taken: 0 };
      for (const pod of pods.values()) counts[pod.place]++;
      return counts;
    },
    stop() {
      cancelTimer();
      pods.clear();
    },
  };
}

function newEntry(info: PodInfo, now: number): QueuedPod {
  return {
    info,
    attempts: 0,
    queuedAtMs: now,
    sequence: 0,
    firstQueuedAtMs: now,
    place: "active",
    backoffUntilMs: 0,
    errored: false,
    parkedAtMs: 0,
    rejectors: new Set(),
    gatedBy: "",
  };
}
