import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Container as EngineContainer, ContainerState } from "#containers/engine.ts";
import type { Container, Pod } from "#formats/kube-types.generated.ts";
import { podLabels, LABEL, SANDBOX_NAME } from "./labels.ts";
import { observePod } from "./observed.ts";
import { planPod, type PodAction, type PlanInputs } from "./plan.ts";
import { podStatus } from "./status.ts";

const NOW = Date.UTC(2026, 0, 1);
const running: ContainerState = { status: "running", pid: 1, startedAt: NOW };
const exited = (code: number, oomKilled = false): ContainerState => ({
  status: "exited",
  startedAt: NOW,
  exit: { code, oomKilled, error: "", at: NOW },
});

function makePod(spec: Partial<Pod["spec"]> & { containers: Container[] }): Pod {
  return { apiVersion: "v1", kind: "Pod", metadata: { name: "web", namespace: "default", uid: "u1" }, spec };
}

function ran(
  pod: Pod,
  name: string,
  state: ContainerState,
  restartCount = 0,
  sandboxId = "sandbox-0",
): EngineContainer {
  const labels = { ...podLabels(pod, name, restartCount), [LABEL.sandboxId]: sandboxId };
  const id = name === SANDBOX_NAME ? `sandbox-${restartCount}` : `${name}-${restartCount}`;
  return {
    id,
    createdAt: NOW + restartCount,
    state,
    config: { labels, origin: { pod: { uid: pod.metadata.uid } } } as unknown as EngineContainer["config"],
    endpoints: [],
  } as unknown as EngineContainer;
}

const inputs: PlanInputs = {
  now: NOW,
  notBefore: () => 0,
  condemned: () => undefined,
  started: () => true,
  resizes: new Map(),
  failed: false,
  sandboxNotBefore: 0,
};

/** One line for each action. */
function transcript(actions: readonly PodAction[]): string[] {
  return actions.map((action) => {
    switch (action.kind) {
      case "start-sandbox":
        return `start-sandbox ${action.attempt}`;
      case "start":
        return `start ${action.container.name}#${action.restartCount}`;
      case "stop":
        return `stop ${action.containerId} (${action.cause})`;
      case "resize":
        return `resize ${action.names.join(",")}`;
      case "remove":
        return `remove ${action.containerId}`;
      case "wake":
        return `wake +${action.at - NOW}`;
      case "finish":
        return "finish";
    }
  });
}

function plan(pod: Pod, containers: EngineContainer[], more: Partial<PlanInputs> = {}): string[] {
  return transcript(planPod(pod, observePod("u1", containers), { ...inputs, ...more }));
}

const a: Container = { name: "a", image: "x" };
const b: Container = { name: "b", image: "x" };

describe("what the kubelet does next", () => {
  test("a new pod gets its sandbox first, then all its containers", () => {
    const pod = makePod({ containers: [a, b] });
    assert.deepEqual(plan(pod, []), ["start-sandbox 0"]);
    assert.deepEqual(plan(pod, [ran(pod, SANDBOX_NAME, running)]), ["start a#0", "start b#0"]);
    assert.deepEqual(plan(pod, [ran(pod, SANDBOX_NAME, running), ran(pod, "a", running), ran(pod, "b", running)]), []);
  });

  test("init containers run one after the other, before the others", () => {
    const pod = makePod({
      initContainers: [
        { name: "i1", image: "x" },
        { name: "i2", image: "x" },
      ],
      containers: [a],
    });
    const sandbox = ran(pod, SANDBOX_NAME, running);
    assert.deepEqual(plan(pod, [sandbox]), ["start i1#0"]);
    assert.deepEqual(plan(pod, [sandbox, ran(pod, "i1", running)]), []);
    assert.deepEqual(plan(pod, [sandbox, ran(pod, "i1", exited(0))]), ["start i2#0"]);
    assert.deepEqual(plan(pod, [sandbox, ran(pod, "i1", exited(1))]), ["start i1#1"]);
    assert.deepEqual(plan(pod, [sandbox, ran(pod, "i1", exited(0)), ran(pod, "i2", exited(0))]), ["start a#0"]);
  });

  test("a sidecar lets the others go on once it has started, and ends after them", () => {
    const pod = makePod({
      restartPolicy: "Never",
      initContainers: [{ name: "side", image: "x", restartPolicy: "Always" }],
      containers: [a],
    });
    const sandbox = ran(pod, SANDBOX_NAME, running);
    assert.deepEqual(plan(pod, [sandbox, ran(pod, "side", running)], { started: () => false }), []);
    assert.deepEqual(plan(pod, [sandbox, ran(pod, "side", running)]), ["start a#0"]);
    assert.deepEqual(plan(pod, [sandbox, ran(pod, "side", running), ran(pod, "a", exited(0))]), ["finish"]);
  });

  test("restart policies", () => {
    const state = (policy: string, code: number): string[] => {
      const pod = makePod({ restartPolicy: policy, containers: [a] });
      return plan(pod, [ran(pod, SANDBOX_NAME, running), ran(pod, "a", exited(code))]);
    };
    assert.deepEqual(state("Always", 0), ["start a#1"]);
    assert.deepEqual(state("OnFailure", 1), ["start a#1"]);
    assert.deepEqual(state("OnFailure", 0), ["finish"]);
    assert.deepEqual(state("Never", 1), ["finish"]);
  });

  test("a container that backs off is looked at again when it may run", () => {
    const pod = makePod({ containers: [a] });
    assert.deepEqual(
      plan(pod, [ran(pod, SANDBOX_NAME, running), ran(pod, "a", exited(1), 1)], { notBefore: () => NOW + 10_000 }),
      ["wake +10000"],
    );
  });

  test("a dead sandbox takes its containers with it", () => {
    const pod = makePod({ containers: [a] });
    assert.deepEqual(plan(pod, [ran(pod, SANDBOX_NAME, exited(137)), ran(pod, "a", running)]), [
      "stop a-0 (sandbox-changed)",
      "start-sandbox 1",
    ]);
  });

  test("attempts older than the last two are removed", () => {
    const pod = makePod({ containers: [a] });
    const runs = [2, 1, 0].map((count) => ran(pod, "a", count === 2 ? running : exited(1), count));
    assert.deepEqual(plan(pod, [ran(pod, SANDBOX_NAME, running), ...runs]), ["remove a-0"]);
  });

  test("a failed liveness probe ends the run", () => {
    const pod = makePod({ containers: [a] });
    assert.deepEqual(
      plan(pod, [ran(pod, SANDBOX_NAME, running), ran(pod, "a", running)], { condemned: () => "liveness" }),
      ["stop a-0 (liveness)"],
    );
  });
});

describe("what the kubelet reports", () => {
  const report = (pod: Pod, containers: EngineContainer[], waiting?: { reason: string; message?: string }) =>
    podStatus(pod, observePod("u1", containers), {
      now: NOW,
      hostIps: ["10.0.0.1"],
      podIps: ["10.244.0.5"],
      imageId: () => "sha256:1",
      waiting: () => waiting,
      ready: () => true,
      started: () => true,
    });

  test("a pod whose containers run is Running and Ready", () => {
    const pod = makePod({ containers: [a] });
    const status = report(pod, [ran(pod, SANDBOX_NAME, running), ran(pod, "a", running)]);
    assert.equal(status.phase, "Running");
    assert.deepEqual(Object.fromEntries((status.conditions ?? []).map(({ type, status: value }) => [type, value])), {
      PodReadyToStartContainers: "True",
      Initialized: "True",
      Ready: "True",
      ContainersReady: "True",
    });
    assert.equal(status.containerStatuses?.[0]?.state?.running?.startedAt, "2026-01-01T00:00:00Z");
  });

  test("a crashed container waits in CrashLoopBackOff and remembers how it ended", () => {
    const pod = makePod({ containers: [a] });
    const status = report(pod, [ran(pod, SANDBOX_NAME, running), ran(pod, "a", exited(137, true), 3)], {
      reason: "CrashLoopBackOff",
    });
    assert.equal(status.phase, "Running");
    assert.equal(status.containerStatuses?.[0]?.state?.waiting?.reason, "CrashLoopBackOff");
    assert.equal(status.containerStatuses?.[0]?.lastState?.terminated?.reason, "OOMKilled");
    assert.equal(status.containerStatuses?.[0]?.restartCount, 3);
  });

  test("the phase of a pod that is done", () => {
    const phase = (code: number): string | undefined => {
      const pod = makePod({ restartPolicy: "Never", containers: [a] });
      return report(pod, [ran(pod, SANDBOX_NAME, exited(0)), ran(pod, "a", exited(code))]).phase;
    };
    assert.equal(phase(0), "Succeeded");
    assert.equal(phase(3), "Failed");
  });
});
