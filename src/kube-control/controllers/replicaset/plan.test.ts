import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Pod, ReplicaSet } from "#formats/kube-types.generated.ts";
import { planReplicas, replicaSetStatus, type ReplicaSetObserved } from "./plan.ts";

const NOW = Date.UTC(2026, 0, 2);
const ago = (seconds: number): string => new Date(NOW - seconds * 1000).toISOString();

interface PodOptions {
  readonly phase?: string;
  readonly node?: string;
  readonly readyFor?: number;
  readonly age?: number;
  readonly restarts?: number;
  readonly cost?: string;
  readonly deleting?: boolean;
}

function pod(
  name: string,
  { phase = "Running", node = "n", readyFor, age = 1000, restarts = 0, cost, deleting }: PodOptions = {},
): Pod {
  return {
    metadata: {
      name,
      uid: name,
      creationTimestamp: ago(age),
      labels: { app: "x" },
      annotations: cost === undefined ? undefined : { "controller.kubernetes.io/pod-deletion-cost": cost },
      deletionTimestamp: deleting ? ago(1) : undefined,
    },
    spec: { nodeName: node, containers: [] },
    status: {
      phase,
      conditions: readyFor === undefined ? [] : [{ type: "Ready", status: "True", lastTransitionTime: ago(readyFor) }],
      containerStatuses: [{ name: "c", image: "", imageID: "", ready: true, restartCount: restarts }],
    },
  };
}

function observed(replicas: number, pods: readonly Pod[], extra: Partial<ReplicaSet["spec"]> = {}): ReplicaSetObserved {
  const template = { metadata: { labels: { app: "x" } } };
  const replicaSet: ReplicaSet = {
    metadata: { name: "rs", generation: 3 },
    spec: { replicas, selector: {}, template, ...extra },
  };
  const count = (node: string): number => pods.filter(({ spec }) => spec?.nodeName === node).length;
  return { replicaSet, pods, relatedOnNode: count, isDoomed: () => false, nowMs: NOW };
}

function deleted(seen: ReplicaSetObserved): (string | undefined)[] {
  const action = planReplicas(seen);
  return action.kind === "delete" ? action.pods.map(({ metadata }) => metadata.name) : [action.kind];
}

test("as many are created as are missing; finished and ending ones do not count", () => {
  const pods = [pod("a"), pod("b", { phase: "Failed" }), pod("c", { deleting: true })];
  assert.deepEqual(planReplicas(observed(3, pods)), { kind: "create", count: 2 });
  assert.deepEqual(planReplicas(observed(1, pods)), { kind: "none" });
  assert.deepEqual(planReplicas(observed(2000, [])), { kind: "create", count: 500 });
});

describe("of too many, those go first that", () => {
  const ready = { readyFor: 100 };
  const table: [what: string, first: Pod, then: Pod][] = [
    ["have no node", pod("a", { node: "" }), pod("b", { phase: "Pending" })],
    ["do not run", pod("a", { phase: "Pending", ...ready }), pod("b")],
    ["are not ready", pod("a"), pod("b", ready)],
    ["cost less to delete", pod("a", { cost: "-10", ...ready }), pod("b", ready)],
    ["share their node", pod("a", { node: "full", ...ready }), pod("b", { node: "free", readyFor: 1 })],
    ["have been ready for less", pod("a", { readyFor: 10 }), pod("b", { readyFor: 1000 })],
    ["restarted more", pod("a", { restarts: 3 }), pod("b")],
    ["are younger", pod("a", { age: 10 }), pod("b", { age: 1000 })],
  ];
  for (const [what, first, then] of table) {
    test(what, () => {
      const seen = observed(1, [then, first]);
      const relatedOnNode = (node: string): number => (node === "full" ? 2 : 1);
      assert.deepEqual(deleted({ ...seen, relatedOnNode }), ["a"]);
    });
  }
  test("were asked to before, without an answer", () => {
    const seen = observed(1, [pod("a", { phase: "Pending" }), pod("b", ready)]);
    assert.deepEqual(deleted({ ...seen, isDoomed: ({ metadata }) => metadata.name === "b" }), ["b"]);
  });
});

test("the status counts what is ready and what has been ready for long enough", () => {
  const pods = [
    pod("a", { readyFor: 5 }),
    pod("b", { readyFor: 50 }),
    pod("c"),
    pod("d", { deleting: true, readyFor: 50 }),
  ];
  const status = replicaSetStatus(observed(3, pods, { selector: {}, minReadySeconds: 10 }), undefined);
  assert.deepEqual(
    [
      status.replicas,
      status.readyReplicas,
      status.availableReplicas,
      status.terminatingReplicas,
      status.fullyLabeledReplicas,
      status.observedGeneration,
    ],
    [3, 2, 1, 1, 3, 3],
  );
});
