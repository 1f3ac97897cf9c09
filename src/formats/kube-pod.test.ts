import assert from "node:assert/strict";
import { test } from "node:test";
import { findPort, isPodAvailable, podLimits, podRequests, qosClass, writeResources } from "./kube-pod.ts";
import type { Container, Pod, PodSpec } from "./kube-types.generated.ts";

const box = (
  name: string,
  requests: Record<string, string>,
  limits: Record<string, string> = {},
  more: Partial<Container> = {},
): Container => ({
  name,
  resources: { requests, limits },
  ...more,
});

test("requests: containers together, or the largest init step with the sidecars before it", () => {
  const spec: PodSpec = {
    initContainers: [
      box("init1", { cpu: "2", memory: "100Mi" }),
      box("side", { cpu: "500m" }, {}, { restartPolicy: "Always" }),
      box("init2", { cpu: "1800m" }),
    ],
    containers: [box("a", { cpu: "1" }), box("b", { cpu: "250m", memory: "64Mi" })],
  };
  assert.deepEqual(writeResources(podRequests(spec)), { cpu: "2300m", memory: "100Mi" });
  assert.deepEqual(writeResources(podRequests({ ...spec, overhead: { memory: "28Mi" } })), {
    cpu: "2300m",
    memory: "128Mi",
  });
  assert.deepEqual(writeResources(podRequests({ ...spec, resources: { requests: { cpu: "3" } } })), {
    cpu: "3",
    memory: "100Mi",
  });
});

test("limits: overhead raises only what is limited", () => {
  const spec: PodSpec = { overhead: { cpu: "1", memory: "1Mi" }, containers: [box("a", {}, { cpu: "1" })] };
  assert.deepEqual(writeResources(podLimits(spec)), { cpu: "2" });
});

test("quality of service classes", () => {
  const both = { cpu: "1", memory: "1Gi" };
  assert.equal(qosClass({ containers: [box("a", {})] }), "BestEffort");
  assert.equal(qosClass({ containers: [box("a", { "example.com/gpu": "1" })] }), "BestEffort");
  assert.equal(qosClass({ containers: [box("a", both, both)] }), "Guaranteed");
  assert.equal(qosClass({ containers: [box("a", { cpu: "1000m", memory: "1024Mi" }, both)] }), "Guaranteed");
  assert.equal(qosClass({ containers: [box("a", both, both), box("b", {})] }), "Burstable");
  assert.equal(qosClass({ containers: [box("a", both, both)], initContainers: [box("i", {}, both)] }), "Burstable");
  assert.equal(qosClass({ containers: [box("a", { cpu: "1" }, both)] }), "Burstable");
  assert.equal(qosClass({ resources: { requests: both, limits: both }, containers: [box("a", {})] }), "Guaranteed");
});

test("ports by name and readiness over time", () => {
  const spec: PodSpec = {
    containers: [
      {
        name: "a",
        ports: [
          { name: "dns", containerPort: 53, protocol: "UDP" },
          { name: "web", containerPort: 80 },
        ],
      },
    ],
  };
  assert.equal(findPort(spec, "web"), 80);
  assert.equal(findPort(spec, "dns"), undefined);
  assert.equal(findPort(spec, "dns", "UDP"), 53);
  assert.equal(findPort(spec, 8080), 8080);
  const pod: Pod = {
    metadata: {},
    status: { conditions: [{ type: "Ready", status: "True", lastTransitionTime: "2026-01-01T00:00:00Z" }] },
  };
  assert.equal(isPodAvailable(pod, 10, Date.UTC(2026, 0, 1, 0, 0, 9)), false);
  assert.equal(isPodAvailable(pod, 10, Date.UTC(2026, 0, 1, 0, 0, 10)), true);
});
