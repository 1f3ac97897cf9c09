import assert from "node:assert/strict";
import { test } from "node:test";
import type { Node, PodSpec } from "#formats/kube-types.generated.ts";
import { clusterState, type ClusterState } from "../cluster/cluster-state.ts";
import { setNode } from "../cluster/nodes.ts";
import { podInfo } from "../cluster/pod-info.ts";
import { place } from "../cluster/placements.ts";
import { testProfile } from "../test/profile.ts";
import { remediesOn } from "./remedies.ts";

function cluster(node: Partial<Node>, used?: Record<string, string>): ClusterState {
  const state = clusterState();
  setNode(state, {
    metadata: { name: "n", ...node.metadata },
    spec: node.spec,
    status: { allocatable: { cpu: "2", memory: "4Gi", pods: "10" } },
  });
  if (used)
    place(
      state,
      podInfo({
        metadata: { name: "u", uid: "u", namespace: "default" },
        spec: { containers: [{ name: "c", resources: { requests: used } }] },
      }),
      "n",
    );
  return state;
}
function remedies(state: ClusterState, spec: Partial<PodSpec>): string[] {
  const info = podInfo({
    metadata: { name: "p", uid: "p", namespace: "default" },
    spec: { containers: [{ name: "c" }], ...spec },
  });
  return remediesOn(testProfile(state), state, info, 0).map(({ changes }) => changes.join(" and "));
}
const asks = (requests: Record<string, string>): Partial<PodSpec> => ({
  containers: [{ name: "c", resources: { requests } }],
});

test("what is short is told in amounts", () => {
  assert.deepEqual(remedies(cluster({}, { cpu: "1500m" }), asks({ cpu: "700m" })), [
    "free 200m cpu on node n, or ask for as much less",
  ]);
  assert.deepEqual(remedies(cluster({}), asks({ memory: "6Gi" })), [
    "ask for 2Gi memory less: node n is smaller than that",
  ]);
});

test("a taint, a cordon, a selector", () => {
  const taints = [{ key: "gpu", value: "yes", effect: "NoSchedule" }];
  assert.deepEqual(remedies(cluster({ spec: { taints } }), {}), [
    "tolerate taint gpu=yes:NoSchedule, or remove it from node n",
  ]);
  assert.deepEqual(remedies(cluster({ spec: { unschedulable: true } }), {}), ["uncordon node n"]);
  assert.deepEqual(remedies(cluster({}), { nodeSelector: { disk: "ssd" } }), [
    "drop the node selector, or label node n so",
  ]);
});

test("two changes when one is not enough, none when two are not", () => {
  const taints = [{ key: "gpu", effect: "NoSchedule" }];
  const state = cluster({ spec: { taints } }, { cpu: "2" });
  assert.deepEqual(remedies(state, asks({ cpu: "1" })), [
    "free 1 cpu on node n, or ask for as much less and tolerate taint gpu:NoSchedule, or remove it from node n",
  ]);
  assert.deepEqual(remedies(state, { ...asks({ cpu: "1" }), nodeSelector: { a: "b" } }), []);
});
