import assert from "node:assert/strict";
import { test } from "node:test";
import { virtualClock } from "#base/clock.ts";
import { workQueue } from "./work-queue.ts";

test("a key is queued once, and not handed out while it is worked on", async () => {
  const queue = workQueue({ clock: virtualClock() });
  queue.add("a");
  queue.add("a");
  queue.add("b");
  assert.equal(await queue.take(), "a");
  queue.add("a");
  assert.equal(await queue.take(), "b");
  const next = queue.take();
  queue.done("b");
  queue.done("a");
  assert.equal(await next, "a", "added again while it was worked on");
  queue.done("a");
  assert.ok(queue.idle);
});

test("failing keys wait 5 ms, then twice as long each time, until they are forgotten", async () => {
  const clock = virtualClock();
  const queue = workQueue({ clock });
  const delays: number[] = [];
  const failOnce = async (): Promise<void> => {
    const before = clock.now();
    queue.addRateLimited("a");
    const taken = queue.take();
    await clock.advance(1_000_000);
    delays.push((await taken) === "a" ? clock.now() - before : -1);
    queue.done("a");
  };
  queue.addRateLimited("a");
  assert.equal(clock.nextDeadline(), clock.now() + 5);
  await clock.advance(5);
  assert.equal(await queue.take(), "a");
  queue.done("a");
  for (const expected of [10, 20, 40]) {
    queue.addRateLimited("a");
    assert.equal(clock.nextDeadline(), clock.now() + expected);
    await clock.advance(expected);
    assert.equal(await queue.take(), "a");
    queue.done("a");
  }
  for (let count = 0; count < 30; count++) await failOnce();
  queue.addRateLimited("a");
  assert.equal(clock.nextDeadline(), clock.now() + 1_000_000, "1000 s at most");
  await clock.advance(1_000_000);
  assert.equal(await queue.take(), "a");
  queue.forget("a");
  queue.done("a");
  queue.addRateLimited("a");
  assert.equal(clock.nextDeadline(), clock.now() + 5);
});

test("of two delays of one key the earlier holds", async () => {
  const clock = virtualClock();
  const queue = workQueue({ clock });
  queue.addAfter("a", 100);
  queue.addAfter("a", 10);
  queue.addAfter("a", 50);
  await clock.advance(10);
  assert.equal(await queue.take(), "a");
  queue.done("a");
  assert.equal(clock.nextDeadline(), undefined);
});

test("at the brim keys are refused, and all are asked for once the queue has run empty", async () => {
  let refills = 0;
  const queue = workQueue({ clock: virtualClock(), capacity: 2, onBrim: () => refills++ });
  assert.deepEqual(["a", "b", "c"].map(queue.add), [true, true, false]);
  assert.equal(await queue.take(), "a");
  assert.equal(await queue.take(), "b");
  queue.done("a");
  assert.equal(refills, 0);
  queue.done("b");
  assert.equal(refills, 1);
});

test("shutting down ends every wait and sets no more timers", async () => {
  const clock = virtualClock();
  const queue = workQueue({ clock });
  const waiting = queue.take();
  queue.addAfter("a", 100);
  queue.shutDown();
  assert.equal(await waiting, undefined);
  assert.equal(await queue.take(), undefined);
  assert.equal(clock.nextDeadline(), undefined);
  assert.equal(queue.add("b"), false);
});
