import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { KubeObject } from "./kube-object.ts";
import { RESOURCES } from "./kube-resources.ts";
import type { Container, Pod, PodSpec, ResourceQuotaSpec } from "./kube-types.generated.ts";
import { formatQuantity } from "./quantity.ts";
import { inScopes, quotaUsage } from "./quota-usage.ts";

const NOW = Date.UTC(2026, 0, 1);
const usage = (resource: Parameters<typeof quotaUsage>[0], object: object): Record<string, string> =>
  Object.fromEntries(
    Array.from(quotaUsage(resource, { metadata: {}, ...object } as KubeObject, NOW), ([name, amount]) => [
      name,
      formatQuantity(amount),
    ]),
  );
const container = (
  requests: Record<string, string>,
  limits?: Record<string, string>,
  more: Partial<Container> = {},
): Container => ({ name: "c", resources: { requests, limits }, ...more });

describe("usage", () => {
  test("a pod's requests and limits, the larger of containers and init containers", () => {
    const spec: PodSpec = {
      containers: [container({ cpu: "100m", memory: "1Gi" }, { cpu: "1" }), container({ cpu: "200m" })],
      initContainers: [
        container({ cpu: "500m" }),
        container({ memory: "512Mi" }, undefined, { restartPolicy: "Always" }),
      ],
      overhead: { cpu: "10m" },
    };
    assert.deepEqual(usage(RESOURCES.pods, { spec }), {
      "count/pods": "1",
      pods: "1",
      cpu: "510m",
      "requests.cpu": "510m",
      memory: "1536Mi",
      "requests.memory": "1536Mi",
      "limits.cpu": "1010m",
    });
  });
  test("a pod that has ended is only an object; one that is overdue, too", () => {
    const spec = { containers: [container({ cpu: "1" })] };
    assert.deepEqual(usage(RESOURCES.pods, { spec, status: { phase: "Succeeded" } }), { "count/pods": "1" });
    assert.deepEqual(usage(RESOURCES.pods, { spec, metadata: { deletionTimestamp: "2025-12-31T23:59:59Z" } }), {
      "count/pods": "1",
    });
    assert.equal(usage(RESOURCES.pods, { spec, metadata: { deletionTimestamp: "2026-01-01T00:00:10Z" } })["pods"], "1");
  });
  test("services by type, claims by class, others by number", () => {
    const ports = [{ port: 1 }, { port: 2 }];
    assert.deepEqual(usage(RESOURCES.services, { spec: { type: "LoadBalancer", ports } }), {
      "count/services": "1",
      services: "1",
      "services.loadbalancers": "1",
      "services.nodeports": "2",
    });
    assert.deepEqual(
      usage(RESOURCES.persistentvolumeclaims, {
        spec: { storageClassName: "gold", resources: { requests: { storage: "5Gi" } } },
      }),
      {
        "count/persistentvolumeclaims": "1",
        persistentvolumeclaims: "1",
        "requests.storage": "5Gi",
        "gold.storageclass.storage.k8s.io/persistentvolumeclaims": "1",
        "gold.storageclass.storage.k8s.io/requests.storage": "5Gi",
      },
    );
    assert.deepEqual(usage(RESOURCES.deployments, {}), { "count/deployments.apps": "1" });
  });
});

describe("scopes", () => {
  const pod = (spec: Partial<PodSpec>): Pod => ({ metadata: {}, spec: { containers: [container({})], ...spec } });
  const table: [what: string, quota: Partial<ResourceQuotaSpec>, pod: Pod, expected: boolean][] = [
    ["none takes all", {}, pod({}), true],
    ["BestEffort", { scopes: ["BestEffort"] }, pod({}), true],
    ["NotBestEffort", { scopes: ["NotBestEffort"] }, pod({ containers: [container({ cpu: "1" })] }), true],
    ["BestEffort with a request", { scopes: ["BestEffort"] }, pod({ containers: [container({ cpu: "1" })] }), false],
    ["Terminating", { scopes: ["Terminating"] }, pod({ activeDeadlineSeconds: 5 }), true],
    ["NotTerminating", { scopes: ["NotTerminating"] }, pod({ activeDeadlineSeconds: 5 }), false],
    [
      "a priority class",
      { scopeSelector: { matchExpressions: [{ scopeName: "PriorityClass", operator: "In", values: ["high"] }] } },
      pod({ priorityClassName: "high" }),
      true,
    ],
    [
      "another priority class",
      { scopeSelector: { matchExpressions: [{ scopeName: "PriorityClass", operator: "In", values: ["high"] }] } },
      pod({ priorityClassName: "low" }),
      false,
    ],
  ];
  for (const [what, spec, object, expected] of table) {
    test(what, () => assert.equal(inScopes({ metadata: {}, spec }, RESOURCES.pods, object), expected));
  }
});
