// A pod's conditions were given the times of the pod as last seen. An older sight after a newer report changed them back, which was a
// new status to write, whose echo changed them again: two writes chased each other for ever, and deletions found no gap between them.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod, PodCondition } from "#formats/kube-types.generated.ts";
import type { ObservedPod } from "../../src/kube-node/pods/observed.ts";
import { podStatus } from "../../src/kube-node/pods/status.ts";
import type { StatusInputs } from "../../src/kube-node/pods/status-inputs.ts";

const NOTHING: ObservedPod = { sandbox: undefined, current: new Map(), previous: new Map() } as unknown as ObservedPod;

function inputs(now: number, before: StatusInputs["before"]): StatusInputs {
  return {
    now,
    before,
    hostIps: ["10.0.0.1"],
    podIps: [],
    imageId: () => "",
    waiting: () => undefined,
    ready: () => true,
    started: () => true,
  };
}

test("what was reported last decides since when a condition holds, not an echo of an earlier report", () => {
  const scheduled = { type: "PodScheduled", status: "True", lastTransitionTime: "2026-01-01T00:00:00Z" };
  const seen = (conditions: PodCondition[]): Pod => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "p" },
    spec: { containers: [] },
    status: { conditions },
  });
  const first = podStatus(seen([scheduled]), NOTHING, inputs(1_000, undefined));
  const second = podStatus(seen([scheduled]), NOTHING, inputs(9_000, first));
  assert.deepEqual(second, first, "nothing has changed, so nothing is written");
  const own = (first.conditions ?? []).filter(({ type }) => type !== "PodScheduled");
  const older = own.map((each) => ({ ...each, lastTransitionTime: "1999-01-01T00:00:00Z" }));
  assert.deepEqual(podStatus(seen([...older, scheduled]), NOTHING, inputs(12_000, second)), second);
});
