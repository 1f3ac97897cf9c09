// Decisions as tables: a cluster and a pod in, a place or the reasons out.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seededRandom } from "#base/random.ts";
import type { Node, NodeSpec, Pod, PodSpec } from "#formats/kube-types.generated.ts";
import { clusterState } from "../cluster/cluster-state.ts";
import { setNode } from "../cluster/nodes.ts";
import { podInfo } from "../cluster/pod-info.ts";
import { place } from "../cluster/placements.ts";
import { testProfile } from "../test/profile.ts";
import { decide } from "./decide.ts";
import { fitMessage } from "./diagnosis.ts";

interface NodeOptions {
  readonly capacity?: Record<string, string>;
  readonly labels?: Record<string, string>;
  readonly spec?: NodeSpec;
}

function node(name: string, { capacity, labels, spec }: NodeOptions = {}): Node {
  return {
    metadata: { name, labels },
    spec,
    status: { allocatable: { cpu: "2", memory: "4Gi", pods: "3", ...capacity } },
  };
}

let uids = 0;
function pod(spec: Partial<PodSpec> = {}, requests?: Record<string, string>): Pod {
  const uid = `pod-${++uids}`;
  return {
    metadata: { name: uid, namespace: "default", uid },
    spec: { containers: [{ name: "c", resources: { requests } }], ...spec },
  };
}

/** The node's name, or the message. */
function outcome(nodes: readonly Node[], placed: readonly (readonly [Pod, string])[], wanted: Pod): string {
  const cluster = clusterState();
  for (const each of nodes) setNode(cluster, each);
  for (const [each, nodeName] of placed) place(cluster, podInfo(each), nodeName);
  const decision = decide(testProfile(cluster), { cluster, pod: podInfo(wanted) }, seededRandom(1));
  if (decision.kind === "placed") return decision.nodeName;
  return decision.kind === "no-nodes" ? "no nodes" : fitMessage(decision.diagnosis, "");
}

const affinity = (key: string, operator: string, ...values: string[]): Partial<PodSpec> => ({
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key, operator, values }] }],
      },
    },
  },
});
const named = (...values: string[]): Partial<PodSpec> => ({
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchFields: [{ key: "metadata.name", operator: "In", values }] }],
      },
    },
  },
});
const port = (hostPort: number, hostIP?: string): Partial<PodSpec> => ({
  containers: [{ name: "c", ports: [{ containerPort: 80, hostPort, hostIP }] }],
});
const gpu = [{ key: "gpu", value: "yes", effect: "NoSchedule" }];
const A = node("a");
const B = node("b");

const TABLE: [what: string, nodes: Node[], placed: [Pod, string][], wanted: Pod, expected: string][] = [
  ["no nodes", [], [], pod(), "no nodes"],
  ["cpu", [A, B], [[pod({}, { cpu: "1" }), "a"]], pod({}, { cpu: "1500m" }), "b"],
  [
    "cpu and memory lacking",
    [A],
    [],
    pod({}, { cpu: "3", memory: "5Gi" }),
    "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory.",
  ],
  [
    "number of pods",
    [A],
    [
      [pod(), "a"],
      [pod(), "a"],
      [pod(), "a"],
    ],
    pod(),
    "0/1 nodes are available: 1 Too many pods.",
  ],
  [
    "an extended resource nobody has",
    [A],
    [],
    pod({}, { "example.com/gpu": "1" }),
    "0/1 nodes are available: 1 Insufficient example.com/gpu.",
  ],
  [
    "an extended resource one has",
    [A, node("g", { capacity: { "example.com/gpu": "2" } })],
    [],
    pod({}, { "example.com/gpu": "2" }),
    "g",
  ],
  [
    "the largest init container counts",
    [A],
    [],
    pod({ initContainers: [{ name: "i", resources: { requests: { cpu: "3" } } }] }, { cpu: "1" }),
    "0/1 nodes are available: 1 Insufficient cpu.",
  ],
  [
    "sidecars count with the containers",
    [A],
    [],
    pod(
      { initContainers: [{ name: "i", restartPolicy: "Always", resources: { requests: { cpu: "1500m" } } }] },
      { cpu: "1" },
    ),
    "0/1 nodes are available: 1 Insufficient cpu.",
  ],
  [
    "overhead counts",
    [A],
    [],
    pod({ overhead: { cpu: "1" } }, { cpu: "1500m" }),
    "0/1 nodes are available: 1 Insufficient cpu.",
  ],
  [
    "pod level requests replace those of containers",
    [A],
    [],
    pod({ resources: { requests: { cpu: "1" } } }, { cpu: "3" }),
    "a",
  ],
  ["nodeSelector", [A, node("s", { labels: { disk: "ssd" } })], [], pod({ nodeSelector: { disk: "ssd" } }), "s"],
  [
    "nodeSelector that nobody meets",
    [A],
    [],
    pod({ nodeSelector: { disk: "ssd" } }),
    "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
  ],
  [
    "affinity NotIn",
    [node("x", { labels: { zone: "1" } }), node("y", { labels: { zone: "2" } })],
    [],
    pod(affinity("zone", "NotIn", "1")),
    "y",
  ],
  [
    "affinity Gt",
    [node("x", { labels: { gen: "4" } }), node("y", { labels: { gen: "12" } })],
    [],
    pod(affinity("gen", "Gt", "5")),
    "y",
  ],
  ["affinity DoesNotExist", [node("x", { labels: { old: "" } }), B], [], pod(affinity("old", "DoesNotExist")), "b"],
  ["affinity to a node by name", [A, B], [], pod(named("b")), "b"],
  [
    "affinity to a node that is not there",
    [A, B],
    [],
    pod(named("c")),
    "0/2 nodes are available: 2 node(s) didn't satisfy plugin(s) [NodeAffinity].",
  ],
  [
    "affinity to a node by name that is full",
    [A, B],
    [[pod({}, { cpu: "2" }), "b"]],
    pod(named("b"), { cpu: "1" }),
    "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't satisfy plugin(s) [NodeAffinity].",
  ],
  ["taint", [node("t", { spec: { taints: gpu } }), B], [], pod(), "b"],
  [
    "taint tolerated",
    [node("t", { spec: { taints: gpu } })],
    [],
    pod({ tolerations: [{ key: "gpu", operator: "Equal", value: "yes" }] }),
    "t",
  ],
  [
    "taint not tolerated: other value",
    [node("t", { spec: { taints: gpu } })],
    [],
    pod({ tolerations: [{ key: "gpu", value: "no" }] }),
    "0/1 nodes are available: 1 node(s) had untolerated taint(s).",
  ],
  [
    "everything tolerated",
    [node("t", { spec: { taints: gpu } })],
    [],
    pod({ tolerations: [{ operator: "Exists" }] }),
    "t",
  ],
  [
    "PreferNoSchedule only costs score",
    [node("t", { spec: { taints: [{ key: "k", effect: "PreferNoSchedule" }] } }), B],
    [[pod({}, { cpu: "1" }), "b"]],
    pod({}, { cpu: "1" }),
    "b",
  ],
  [
    "cordoned",
    [node("u", { spec: { unschedulable: true } })],
    [],
    pod(),
    "0/1 nodes are available: 1 node(s) were unschedulable.",
  ],
  [
    "host port taken",
    [A],
    [[pod(port(80)), "a"]],
    pod(port(80)),
    "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.",
  ],
  ["host port of another address", [A], [[pod(port(80, "10.0.0.1")), "a"]], pod(port(80, "10.0.0.2")), "a"],
  [
    "host port of all addresses",
    [A],
    [[pod(port(80, "10.0.0.1")), "a"]],
    pod(port(80)),
    "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.",
  ],
  [
    "each node for its own reason",
    [node("t", { spec: { taints: gpu } }), A, B],
    [[pod({}, { cpu: "2" }), "a"]],
    pod({ nodeSelector: {} }, { cpu: "2500m" }),
    "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu.",
  ],
  [
    "the emptier node",
    [A, B],
    [[pod({}, { cpu: "1", memory: "1Gi" }), "a"]],
    pod({}, { cpu: "100m", memory: "100Mi" }),
    "b",
  ],
  [
    "preferred affinity outweighs it",
    [node("a", { labels: { fast: "1" } }), B],
    [[pod({}, { cpu: "500m", memory: "1Gi" }), "a"]],
    pod(
      {
        affinity: {
          nodeAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [
              { weight: 10, preference: { matchExpressions: [{ key: "fast", operator: "Exists" }] } },
            ],
          },
        },
      },
      { cpu: "100m", memory: "100Mi" },
    ),
    "a",
  ],
];

describe("default profile", () => {
  for (const [what, nodes, placed, wanted, expected] of TABLE) {
    test(what, () => assert.equal(outcome(nodes, placed, wanted), expected));
  }
});
