import assert from "node:assert/strict";
import { test } from "node:test";
import { kubeTime } from "#formats/kube-time.ts";
import type { Pod } from "#formats/kube-types.generated.ts";
import { limit } from "./limits.ts";
import { changed, newHistory } from "./history.ts";
import { proposeByAverage, proposeByUtilization, tolerancesOf, type ProposalInputs } from "./replicas.ts";
import type { PodUsage } from "./usage.ts";

const NOW = Date.UTC(2026, 0, 2);
const HOUR_MS = 3_600_000;

/** A pod that has been ready for an hour, or another. */
function pod(name: string, cpu: string, options: { phase?: string; ready?: boolean; startedAgoMs?: number } = {}): Pod {
  const { phase = "Running", ready = true, startedAgoMs = HOUR_MS } = options;
  const since = kubeTime(NOW - startedAgoMs);
  return {
    metadata: { name, namespace: "default" },
    spec: { containers: [{ name: "main", resources: { requests: { cpu } } }] },
    status: {
      phase,
      startTime: since,
      conditions: [{ type: "Ready", status: ready ? "True" : "False", lastTransitionTime: since }],
    },
  };
}

function inputs(pods: Pod[], millis: Record<string, number>, tolerance?: string): ProposalInputs {
  const usage = new Map(
    Object.entries(millis).map(([name, value]): [string, PodUsage] => [
      name,
      { millis: value, atMs: NOW, windowMs: 15_000 },
    ]),
  );
  const rules = tolerance === undefined ? undefined : { tolerance };
  const tolerances = tolerancesOf(rules, rules);
  return { current: pods.length, pods, usage, of: { resource: "cpu" }, tolerances, nowMs: NOW };
}

test("utilization: the ratio to the target, rounded up", () => {
  const pods = ["a", "b", "c"].map((name) => pod(name, "1000m"));
  const of = (each: number) => proposeByUtilization(inputs(pods, { a: each, b: each, c: each }), 30);
  assert.deepEqual(of(600), { replicas: 6, averageMillis: 600, utilization: 60 });
  assert.equal(of(100).replicas, 1);
  assert.equal(of(320).replicas, 3, "within a tenth");
});

test("a tolerance of its own", () => {
  const pods = [pod("a", "1"), pod("b", "1")];
  assert.equal(proposeByUtilization(inputs(pods, { a: 520, b: 520 }), 50).replicas, 2);
  assert.equal(proposeByUtilization(inputs(pods, { a: 520, b: 520 }, "10m"), 50).replicas, 3);
});

test("pods without numbers hold the change back, and never turn it", () => {
  const pods = ["a", "b", "c", "d"].map((name) => pod(name, "1000m"));
  // Twice the target on three; the fourth counts as idle: 4 × 1.5 = 6.
  assert.equal(proposeByUtilization(inputs(pods, { a: 1000, b: 1000, c: 1000 }), 50).replicas, 6);
  // A tenth of the target; the missing one counts as using all it asks for.
  assert.equal(proposeByUtilization(inputs(pods, { a: 50, b: 50, c: 50 }), 50).replicas, 3);
  // Only just above: with the idle one it would be below, so nothing happens.
  assert.equal(proposeByUtilization(inputs(pods, { a: 600, b: 600, c: 600 }), 50).replicas, 4);
});

test("pods that start, are pending or failed do not count", () => {
  const pods = [
    pod("a", "1"),
    pod("new", "1", { ready: false, startedAgoMs: 10_000 }),
    pod("pending", "1", { phase: "Pending" }),
    pod("failed", "1", { phase: "Failed" }),
  ];
  // Up: those that start count as idle.
  assert.equal(proposeByUtilization(inputs(pods, { a: 2000, new: 9000, failed: 9000 }), 50).replicas, 4);
  assert.deepEqual(proposeByAverage(inputs(pods, { a: 100, new: 9000 }), 200), { replicas: 1, averageMillis: 100 });
});

test("errors name what is missing", () => {
  const bare = { ...pod("a", "1"), spec: { containers: [{ name: "main" }] } };
  const message = "missing request for cpu in container main of Pod a";
  assert.throws(() => proposeByUtilization(inputs([bare], { a: 1 }), 50), { message });
  assert.throws(() => proposeByAverage(inputs([], {}), 50), /no pods returned by selector/);
  assert.throws(() => proposeByAverage(inputs([pod("a", "1")], {}), 50), /did not receive metrics for any ready pods/);
});

test("policies: the greatest change by default, the least with Min, none with Disabled", () => {
  const wish = { current: 10, wanted: 40, bounds: { min: 1, max: 100 }, history: newHistory(10, 0), nowMs: NOW };
  const policies = [
    { type: "Pods", value: 4, periodSeconds: 60 },
    { type: "Percent", value: 100, periodSeconds: 60 },
  ];
  const scaleDown = { stabilizationWindowSeconds: 0, policies };
  const up = (selectPolicy: string) =>
    limit(wish, { scaleUp: { policies, selectPolicy, stabilizationWindowSeconds: 0 }, scaleDown });
  assert.deepEqual(
    ["Max", "Min", "Disabled"].map((policy) => up(policy).replicas),
    [20, 14, 10],
  );
  assert.equal(up("Max").limited.reason, "ScaleUpLimit");
  const down = limit({ ...wish, wanted: 1 }, { scaleUp: {}, scaleDown: { ...scaleDown, selectPolicy: "Min" } });
  assert.equal(down.replicas, 6);
  // What was added within the period counts: from 6 to 10 was all.
  const history = changed(newHistory(6, 0), 6, 10, NOW - 30_000);
  const rules = { scaleUp: { policies: policies.slice(0, 1), stabilizationWindowSeconds: 0 }, scaleDown };
  assert.equal(limit({ ...wish, history }, rules).replicas, 10);
  assert.equal(limit({ ...wish, history, nowMs: NOW + 31_000 }, rules).replicas, 14);
});

test("windows: up by the lowest wish, down by the highest", () => {
  const wish = { current: 5, bounds: { min: 1, max: 100 }, nowMs: NOW };
  const rules = { policies: [{ type: "Percent", value: 1000, periodSeconds: 15 }], stabilizationWindowSeconds: 60 };
  const behavior = {
    scaleUp: rules,
    scaleDown: { ...rules, policies: [{ type: "Percent", value: 100, periodSeconds: 15 }] },
  };
  const history = {
    recommendations: [
      { atMs: NOW - 61_000, replicas: 1 },
      { atMs: NOW - 50_000, replicas: 7 },
      { atMs: NOW - 10_000, replicas: 4 },
    ],
    ups: [],
    downs: [],
  };
  assert.equal(limit({ ...wish, wanted: 9, history }, behavior).replicas, 5);
  const down = limit({ ...wish, wanted: 2, history }, behavior);
  assert.deepEqual([down.replicas, down.able.reason], [5, "ScaleDownStabilized"]);
  const later = limit({ ...wish, wanted: 2, history, nowMs: NOW + 15_000 }, behavior);
  assert.equal(later.replicas, 4);
});
