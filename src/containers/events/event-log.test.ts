import assert from "node:assert/strict";
import { test } from "node:test";
import { virtualClock } from "#base/clock.ts";
import type { EngineEvent } from "../engine.ts";
import { eventLog } from "./event-log.ts";

const event = (action: string): Omit<EngineEvent, "timeNanos"> => ({
  type: "container",
  action,
  actorId: "c",
  attributes: {},
});

test("times rise strictly, a throwing listener stops nobody, the newest 1,024 are kept", async () => {
  const clock = virtualClock();
  const errors: unknown[] = [];
  const log = eventLog(clock, (error) => errors.push(error));
  const seen: string[] = [];
  const off = log.listen(() => {
    throw new Error("mine");
  });
  log.listen(({ action }) => seen.push(action));
  for (let n = 0; n < 1030; n++) log.record(event(String(n)));
  off();
  assert.equal(seen.length, 1030);
  assert.equal(errors.length, 1030);
  const past = log.past(0, Number.POSITIVE_INFINITY);
  assert.equal(past.length, 1024);
  assert.equal(past[0]?.action, "6");
  for (const [at, { timeNanos }] of past.entries()) assert.ok(at === 0 || timeNanos > (past[at - 1]?.timeNanos ?? 0n));
});

test("past events of a span", async () => {
  const clock = virtualClock(1000);
  const log = eventLog(clock, (error) => assert.fail(String(error)));
  for (const action of ["a", "b", "c"]) {
    log.record(event(action));
    await clock.advance(10);
  }
  assert.deepEqual(
    log.past(1010, 1015).map(({ action }) => action),
    ["b"],
  );
  assert.deepEqual(
    log.past(1001, Number.POSITIVE_INFINITY).map(({ action }) => action),
    ["b", "c"],
  );
});
