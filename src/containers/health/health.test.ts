import assert from "node:assert/strict";
import { test } from "node:test";
import type { Health } from "../engine.ts";
import { afterProbe, healthPlan, probeDelay, startingHealth, type HealthPlan } from "./health.ts";

const plan: HealthPlan = {
  args: ["true"],
  intervalMs: 30_000,
  timeoutMs: 30_000,
  startPeriodMs: 10_000,
  startIntervalMs: 5_000,
  retries: 3,
};
const result = (exitCode: number, start: number) => ({ start, end: start + 1, exitCode, output: "" });
const probes = (codes: [number, number][], from: Health = startingHealth(undefined)): Health =>
  codes.reduce((health, [code, at]) => afterProbe(health, result(code, at), plan, 0), from);

test("defaults, and checks that are none", () => {
  assert.deepEqual(healthPlan({ Test: ["CMD-SHELL", "true || false"] }), {
    args: ["/bin/sh", "-c", "true || false"],
    intervalMs: 30_000,
    timeoutMs: 30_000,
    startPeriodMs: 0,
    startIntervalMs: 5_000,
    retries: 3,
  });
  assert.deepEqual(healthPlan({ Test: ["CMD", "a", "b"], Interval: 5e8, Retries: 1 })?.args, ["a", "b"]);
  for (const config of [undefined, {}, { Test: [] }, { Test: ["NONE"] }]) assert.equal(healthPlan(config), undefined);
});

test("three failures in a row make it unhealthy, one success healthy again", () => {
  assert.equal(
    probes([
      [1, 20_000],
      [1, 21_000],
    ]).status,
    "starting",
  );
  const bad = probes([
    [1, 20_000],
    [1, 21_000],
    [2, 22_000],
  ]);
  assert.deepEqual([bad.status, bad.failingStreak], ["unhealthy", 3]);
  assert.deepEqual(probes([[0, 30_000]], bad).status, "healthy");
  assert.equal(
    probes([
      [0, 1],
      [1, 20_000],
      [1, 21_000],
    ]).status,
    "healthy",
  );
});

test("failures in the start period do not count, unless it was healthy once", () => {
  assert.equal(
    probes([
      [1, 1],
      [1, 2],
      [1, 3],
      [1, 4],
    ]).failingStreak,
    0,
  );
  assert.equal(
    probes([
      [0, 1],
      [1, 2],
      [1, 3],
      [1, 4],
    ]).status,
    "unhealthy",
  );
});

test("five results are kept", () => {
  const { log } = probes([
    [0, 1],
    [0, 2],
    [0, 3],
    [0, 4],
    [0, 5],
    [0, 6],
  ]);
  assert.deepEqual(
    log.map(({ start }) => start),
    [2, 3, 4, 5, 6],
  );
});

test("probes are closer together while it starts, and one comes at the end of the start period", () => {
  const starting = startingHealth(undefined);
  assert.equal(probeDelay(starting, plan, 0, 0), 5_000);
  assert.equal(probeDelay(starting, plan, 0, 7_000), 3_000);
  assert.equal(probeDelay(starting, plan, 0, 10_000), 30_000);
  assert.equal(probeDelay({ ...starting, status: "healthy" }, plan, 0, 1_000), 9_000);
});
