import assert from "node:assert/strict";
import { test } from "node:test";
import { virtualClock } from "#base/clock.ts";
import { podInfo, type PodInfo } from "../cluster/pod-info.ts";
import type { EventInterest } from "../framework/plugin.ts";
import { schedulingQueue, type SchedulingQueue } from "./scheduling-queue.ts";

function info(name: string, priority = 0): PodInfo {
  return podInfo({ metadata: { name, namespace: "default", uid: name }, spec: { containers: [], priority } });
}

const INTERESTS = new Map<string, readonly EventInterest[]>([
  [
    "Fit",
    [
      { resource: "AssignedPod", actions: ["Delete"] },
      { resource: "Node", actions: ["Add"], helps: (_, event) => event.after?.metadata.name === "big" },
    ],
  ],
]);

function make(isGated: (pod: PodInfo) => boolean = () => false) {
  const clock = virtualClock();
  let ready = 0;
  const gated = (pod: PodInfo) => (isGated(pod) ? "SchedulingGates" : undefined);
  const queue = schedulingQueue({ clock, interests: INTERESTS, gated, onReady: () => ready++ });
  return { clock, queue, ready: () => ready };
}

const names = (queue: SchedulingQueue): string[] => {
  const taken: string[] = [];
  for (let pod = queue.take(); pod; pod = queue.take()) taken.push(pod.info.uid);
  return taken;
};

test("by priority, then by age", () => {
  const { queue } = make();
  for (const [name, priority] of [
    ["a", 0],
    ["b", 10],
    ["c", 0],
    ["d", 10],
  ] as const)
    queue.add(info(name, priority));
  assert.deepEqual(names(queue), ["b", "d", "a", "c"]);
});

test("an unschedulable pod waits for an event that one of its rejectors hopes for", () => {
  const { queue } = make();
  queue.add(info("a"));
  const park = (): void => {
    const pod = queue.take();
    assert.ok(pod);
    queue.park(pod, new Set(["Fit"]));
  };
  park();
  queue.changed({ resource: "AssignedPod", actions: ["Add"] });
  queue.changed({ resource: "Node", actions: ["Add"], after: { metadata: { name: "small" } } });
  assert.deepEqual(names(queue), []);
  queue.changed({ resource: "Node", actions: ["Add"], after: { metadata: { name: "big" } } });
  assert.equal(queue.counts().backoff, 1);
  park();
  queue.changed({ resource: "AssignedPod", actions: ["Delete"] });
  assert.deepEqual(names(queue), ["a"]);
});

test("a pod that failed otherwise waits out its back-off: 1 s, 2 s, ... 10 s", async () => {
  const { clock, queue } = make();
  queue.add(info("a"));
  for (const seconds of [1, 2, 4, 8, 10, 10]) {
    const pod = queue.take();
    assert.ok(pod, `after ${seconds} s`);
    queue.retry(pod);
    assert.equal(queue.take(), undefined);
    await clock.advance(seconds * 1000 - 1);
    assert.equal(queue.take(), undefined, `${seconds} s`);
    await clock.advance(1);
  }
});

test("without any event an unschedulable pod is tried again after five minutes", async () => {
  const { clock, queue } = make();
  queue.add(info("a"));
  const pod = queue.take();
  assert.ok(pod);
  queue.park(pod, new Set(["Fit"]));
  await clock.advance(299_999);
  assert.deepEqual(names(queue), []);
  await clock.advance(1);
  assert.deepEqual(names(queue), ["a"]);
  assert.equal(clock.nextDeadline(), undefined, "idle: no timer");
});

test("a gated pod enters when its gates are gone; a removed one never comes out", () => {
  let gated = true;
  const { queue, ready } = make(() => gated);
  queue.add(info("a"));
  assert.deepEqual([queue.take(), ready()], [undefined, 0]);
  gated = false;
  queue.update(info("a"), true);
  queue.add(info("b"));
  queue.remove("a");
  assert.deepEqual(names(queue), ["b"]);
});

test("a changed pod is tried again; a note in its status is no change", () => {
  const { queue } = make();
  queue.add(info("a"));
  const pod = queue.take();
  assert.ok(pod);
  queue.park(pod, new Set(["Fit"]));
  queue.update(info("a"), false);
  assert.equal(queue.take(), undefined);
  queue.update(info("a"), true);
  assert.equal(queue.take()?.info.uid, "a");
});
