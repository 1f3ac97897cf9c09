import assert from "node:assert/strict";
import { test } from "node:test";
import type { RestartPolicy } from "../engine.ts";
import { nextRestart, startsAtOpen, type RunSummary } from "./restart-policy.ts";

const run = (changes: Partial<RunSummary> = {}): RunSummary => ({
  exitCode: 1,
  ranMs: 50,
  restartCount: 0,
  stopped: false,
  lastDelayMs: 0,
  ...changes,
});
const always: RestartPolicy = { kind: "always" };

test("the delay doubles from 100 ms to a minute", () => {
  const delays: number[] = [];
  for (let delay = 0; delays.length < 12; delays.push(delay))
    delay = nextRestart(always, run({ lastDelayMs: delay })) ?? -1;
  assert.deepEqual(delays, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000]);
});

test("a run of ten seconds resets the delay", () => {
  assert.equal(nextRestart(always, run({ lastDelayMs: 6400, ranMs: 9_999 })), 12_800);
  assert.equal(nextRestart(always, run({ lastDelayMs: 6400, ranMs: 10_000 })), 100);
});

test("policies decide by exit code, count and the user's stop", () => {
  const onFailure = (maximumRetries: number): RestartPolicy => ({ kind: "on-failure", maximumRetries });
  assert.equal(nextRestart({ kind: "no" }, run()), undefined);
  assert.equal(nextRestart(always, run({ exitCode: 0 })), 100);
  assert.equal(nextRestart(always, run({ stopped: true })), undefined);
  assert.equal(nextRestart({ kind: "unless-stopped" }, run({ stopped: true })), undefined);
  assert.equal(nextRestart(onFailure(0), run({ restartCount: 1000 })), 100);
  assert.equal(nextRestart(onFailure(0), run({ exitCode: 0 })), undefined);
  assert.equal(nextRestart(onFailure(3), run({ restartCount: 2 })), 100);
  assert.equal(nextRestart(onFailure(3), run({ restartCount: 3 })), undefined);
});

test("when the engine opens, always comes back and unless-stopped honours the stop", () => {
  assert.equal(startsAtOpen(always, true), true);
  assert.equal(startsAtOpen({ kind: "unless-stopped" }, true), false);
  assert.equal(startsAtOpen({ kind: "unless-stopped" }, false), true);
  assert.equal(startsAtOpen({ kind: "on-failure", maximumRetries: 0 }, false), false);
  assert.equal(startsAtOpen({ kind: "no" }, false), false);
});
