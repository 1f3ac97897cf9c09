import assert from "node:assert/strict";
import { test } from "node:test";
import type { Container, Pod } from "#formats/kube-types.generated.ts";
import { resizeHindrance, resizeWay } from "./resize.ts";

const container = (cpu: string, memory: string, resizePolicy?: Container["resizePolicy"]): Container => ({
  name: "a",
  image: "x",
  resources: { requests: { cpu, memory } },
  ...(resizePolicy ? { resizePolicy } : {}),
});

test("a change is made live unless its resource says that the container restarts", () => {
  const applied = { requests: { cpu: "100m", memory: "64Mi" } };
  assert.equal(resizeWay(container("0.1", "65536Ki"), applied), "none", "the same in other words");
  assert.equal(resizeWay(container("200m", "64Mi"), applied), "live");
  const policy = [{ resourceName: "memory", restartPolicy: "RestartContainer" }];
  assert.equal(resizeWay(container("200m", "64Mi", policy), applied), "live");
  assert.equal(resizeWay(container("200m", "65Mi", policy), applied), "restart");
  assert.equal(resizeWay(container("200m", "65Mi", policy), undefined), "none", "what it was given is not known");
});

test("what the node lacks for good is infeasible, what others hold is deferred", () => {
  const pod: Pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "p" },
    spec: { containers: [container("1500m", "1Gi")] },
  };
  const verdict = (used: number, capacity: number) =>
    resizeHindrance(pod, { cpuMillis: used, memoryBytes: 0 }, { cpuMillis: capacity, memoryBytes: 2 ** 32 });
  assert.equal(verdict(400, 2000), undefined);
  assert.deepEqual(verdict(600, 2000), {
    kind: "pending",
    reason: "Deferred",
    message: "Node didn't have enough resource: cpu, requested: 1500, used: 600, capacity: 2000",
  });
  assert.equal((verdict(0, 1000) as { reason: string }).reason, "Infeasible");
});
