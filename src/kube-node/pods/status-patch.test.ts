import assert from "node:assert/strict";
import { test } from "node:test";
import type { PodStatus } from "#formats/kube-types.generated.ts";
import { statusPatch } from "./status-patch.ts";

const STATUS: PodStatus = {
  phase: "Running",
  conditions: [
    { type: "Ready", status: "True", lastTransitionTime: "2026-01-01T00:00:00Z" },
    { type: "PodResizePending", status: "True", reason: "Deferred" },
    { type: "example.com/gate", status: "False", reason: "Theirs" },
  ],
  podIP: "10.0.0.2",
  podIPs: [{ ip: "10.0.0.2" }],
};

test("a pod's status patch clears what the kubelet says no more, and leaves alone what others say", () => {
  assert.deepEqual(statusPatch(STATUS), {
    phase: "Running",
    reason: null,
    message: null,
    podIP: "10.0.0.2",
    podIPs: [{ $patch: "replace" }, { ip: "10.0.0.2" }],
    initContainerStatuses: null,
    ephemeralContainerStatuses: null,
    conditions: [
      { type: "Ready", status: "True", reason: null, message: null, lastTransitionTime: "2026-01-01T00:00:00Z" },
      { type: "PodResizePending", status: "True", reason: "Deferred", message: null },
      { type: "PodResizeInProgress", $patch: "delete" },
    ],
  });
  assert.deepEqual((statusPatch({ phase: "Pending" }) as { podIPs: unknown }).podIPs, null);
});
