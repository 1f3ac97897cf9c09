// Decisions that depend on other pods: affinity, spreading, images, preemption, as tables.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seededRandom } from "#base/random.ts";
import type { Node, Pod, PodAffinityTerm, PodSpec, TopologySpreadConstraint } from "#formats/kube-types.generated.ts";
import { selectorOfMap } from "#formats/selectors.ts";
import { clusterState, nodeName, type ClusterState } from "../cluster/cluster-state.ts";
import { setNode } from "../cluster/nodes.ts";
import { nominate } from "../cluster/nominations.ts";
import { podInfo } from "../cluster/pod-info.ts";
import { place } from "../cluster/placements.ts";
import { testProfile, type TestProfileOptions } from "../test/profile.ts";
import { decide } from "./decide.ts";
import { fitMessage } from "./diagnosis.ts";

const ZONE = "topology.kubernetes.io/zone";
const HOST = "kubernetes.io/hostname";

function node(name: string, zone?: string, more: Partial<Node> = {}): Node {
  const labels = { [HOST]: name, ...(zone && { [ZONE]: zone }) };
  return { metadata: { name, labels }, status: { allocatable: { cpu: "4", memory: "8Gi", pods: "10" } }, ...more };
}

let uids = 0;
interface PodOptions {
  readonly labels?: Record<string, string>;
  readonly namespace?: string;
  readonly cpu?: string;
  readonly spec?: Partial<PodSpec>;
  readonly priority?: number;
  readonly started?: number;
}
function pod({ labels, namespace = "default", cpu, spec, priority, started = 0 }: PodOptions = {}): Pod {
  const uid = `pod-${++uids}`;
  const requests = cpu === undefined ? undefined : { cpu };
  return {
    metadata: { name: uid, namespace, uid, labels },
    spec: { containers: [{ name: "c", image: "app", resources: { requests } }], priority, ...spec },
    status: { startTime: new Date(started * 1000).toISOString() },
  };
}

function cluster(nodes: readonly Node[], placed: readonly (readonly [Pod, string])[]): ClusterState {
  const state = clusterState();
  for (const each of nodes) setNode(state, each);
  for (const [each, name] of placed) place(state, podInfo(each), name);
  return state;
}

function outcome(state: ClusterState, wanted: Pod, options?: TestProfileOptions): string {
  const decision = decide(testProfile(state, options), { cluster: state, pod: podInfo(wanted) }, seededRandom(1));
  if (decision.kind === "placed") return decision.nodeName;
  return decision.kind === "no-nodes" ? "no nodes" : fitMessage(decision.diagnosis, "");
}

const term = (
  labels: Record<string, string>,
  topologyKey: string,
  more: Partial<PodAffinityTerm> = {},
): PodAffinityTerm => ({
  labelSelector: { matchLabels: labels },
  topologyKey,
  ...more,
});
const near = (...terms: PodAffinityTerm[]): Partial<PodSpec> => ({
  affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } },
});
const apart = (...terms: PodAffinityTerm[]): Partial<PodSpec> => ({
  affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } },
});
const ratherNear = (weight: number, podAffinityTerm: PodAffinityTerm): Partial<PodSpec> => ({
  affinity: { podAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight, podAffinityTerm }] } },
});
const ratherApart = (weight: number, podAffinityTerm: PodAffinityTerm): Partial<PodSpec> => ({
  affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight, podAffinityTerm }] } },
});
const web = { app: "web" };
const db = { app: "db" };
const A = node("a", "z1");
const B = node("b", "z1");
const C = node("c", "z2");

type Row = [
  what: string,
  nodes: Node[],
  placed: [Pod, string][],
  wanted: Pod,
  expected: string,
  options?: TestProfileOptions,
];

describe("affinity to pods", () => {
  const table: Row[] = [
    ["on the same node", [A, B, C], [[pod({ labels: db }), "b"]], pod({ spec: near(term(db, HOST)) }), "b"],
    [
      "in the same zone, of its nodes the emptier",
      [A, B, C],
      [[pod({ labels: db, cpu: "1" }), "a"]],
      pod({ cpu: "1", spec: near(term(db, ZONE)) }),
      "b",
    ],
    [
      "to pods that are not there",
      [A, C],
      [],
      pod({ labels: web, spec: near(term(db, ZONE)) }),
      "0/2 nodes are available: 2 node(s) didn't match pod affinity rules.",
    ],
    ["to its own kind: the first goes anywhere", [A], [], pod({ labels: web, spec: near(term(web, ZONE)) }), "a"],
    [
      "to its own kind, but not where the label is missing",
      [node("x")],
      [],
      pod({ labels: web, spec: near(term(web, ZONE)) }),
      "0/1 nodes are available: 1 node(s) didn't match pod affinity rules.",
    ],
    [
      "to pods of another namespace only when it says so",
      [A, C],
      [[pod({ labels: db, namespace: "other" }), "c"]],
      pod({ spec: near(term(db, ZONE)) }),
      "0/2 nodes are available: 2 node(s) didn't match pod affinity rules.",
    ],
    [
      "to a namespace by name",
      [A, C],
      [[pod({ labels: db, namespace: "other" }), "c"]],
      pod({ spec: near(term(db, ZONE, { namespaces: ["other"] })) }),
      "c",
    ],
    [
      "to namespaces by their labels",
      [A, C],
      [
        [pod({ labels: db, namespace: "other" }), "c"],
        [pod({ labels: db, namespace: "third" }), "a"],
      ],
      pod({ spec: near(term(db, ZONE, { namespaceSelector: { matchLabels: { team: "x" } } })) }),
      "c",
      { namespaces: { other: { team: "x" }, third: {} } },
    ],
    [
      "to all namespaces",
      [A, C],
      [[pod({ labels: db, namespace: "other" }), "c"]],
      pod({ spec: near(term(db, ZONE, { namespaceSelector: {} })) }),
      "c",
    ],
    [
      "all terms by the same pods",
      [A, C],
      [
        [pod({ labels: db }), "a"],
        [pod({ labels: { ...db, tier: "1" } }), "c"],
      ],
      pod({ spec: near(term(db, ZONE), term({ tier: "1" }, ZONE)) }),
      "c",
    ],
    [
      "matchLabelKeys take the pod's own value",
      [A, C],
      [
        [pod({ labels: { ...web, version: "1" } }), "a"],
        [pod({ labels: { ...web, version: "2" } }), "c"],
      ],
      pod({ labels: { ...web, version: "2" }, spec: near(term(web, ZONE, { matchLabelKeys: ["version"] })) }),
      "c",
    ],
    [
      "away from a node",
      [A, B],
      [[pod({ labels: web }), "a"]],
      pod({ labels: web, spec: apart(term(web, HOST)) }),
      "b",
    ],
    [
      "away from a zone",
      [A, B, C],
      [[pod({ labels: web }), "a"]],
      pod({ labels: web, spec: apart(term(web, ZONE)) }),
      "c",
    ],
    [
      "nowhere away",
      [A, B],
      [[pod({ labels: web }), "a"]],
      pod({ spec: apart(term(web, ZONE)) }),
      "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules.",
    ],
    [
      "placed pods want to be alone",
      [A, C],
      [[pod({ labels: db, spec: apart(term(web, ZONE)) }), "a"]],
      pod({ labels: web }),
      "c",
    ],
    [
      "placed pods want to be alone everywhere",
      [A],
      [[pod({ labels: db, spec: apart(term(web, HOST)) }), "a"]],
      pod({ labels: web }),
      "0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules.",
    ],
    [
      "rather near",
      [A, C],
      [[pod({ labels: db, cpu: "1" }), "c"]],
      pod({ cpu: "100m", spec: ratherNear(100, term(db, ZONE)) }),
      "c",
    ],
    [
      "rather apart",
      [A, C],
      [
        [pod({ labels: web }), "a"],
        [pod({ cpu: "1" }), "c"],
      ],
      pod({ labels: web, spec: ratherApart(100, term(web, ZONE)) }),
      "c",
    ],
    [
      "placed pods would rather have it near",
      [A, C],
      [[pod({ labels: db, cpu: "1", spec: ratherNear(100, term(web, ZONE)) }), "c"]],
      pod({ labels: web, cpu: "100m" }),
      "c",
    ],
    [
      "placed pods that need it near draw it, too",
      [A, C],
      [[pod({ labels: db, cpu: "100m", spec: near(term(web, ZONE)) }), "c"]],
      pod({ labels: web, cpu: "100m" }),
      "c",
    ],
  ];
  for (const [what, nodes, placed, wanted, expected, options] of table) {
    test(what, () => assert.equal(outcome(cluster(nodes, placed), wanted, options), expected));
  }
});

describe("spreading", () => {
  const spread = (
    topologyKey: string,
    maxSkew: number,
    more: Partial<TopologySpreadConstraint> = {},
  ): Partial<PodSpec> => ({
    topologySpreadConstraints: [
      { topologyKey, maxSkew, whenUnsatisfiable: "DoNotSchedule", labelSelector: { matchLabels: web }, ...more },
    ],
  });
  const webs = (name: string, count: number): [Pod, string][] =>
    Array.from({ length: count }, () => [pod({ labels: web }), name]);
  const table: Row[] = [
    [
      "to the zone with fewer",
      [A, B, C],
      [...webs("a", 1), ...webs("b", 1), ...webs("c", 1)],
      pod({ labels: web, spec: spread(ZONE, 1) }),
      "c",
    ],
    ["not further apart than the skew", [A, C], webs("a", 2), pod({ labels: web, spec: spread(ZONE, 2) }), "c"],
    [
      "no domain left",
      [A, node("x")],
      webs("a", 1),
      pod({ labels: web, spec: { ...spread(ZONE, 1, { minDomains: 2 }) } }),
      "0/2 nodes are available: 1 node(s) didn't match pod topology spread constraints, 1 node(s) didn't match pod topology spread constraints (missing required label).",
    ],
    [
      "a pod that does not match itself",
      [A, C],
      [...webs("a", 1)],
      pod({ spec: { ...spread(ZONE, 1), nodeSelector: { [HOST]: "a" } } }),
      "a",
    ],
    [
      "only zones where it may go count",
      [A, C],
      [...webs("a", 2)],
      pod({ labels: web, spec: { ...spread(ZONE, 1), nodeSelector: { [ZONE]: "z1" } } }),
      "a",
    ],
    [
      "other zones count when it says so",
      [A, C],
      [...webs("a", 2)],
      pod({
        labels: web,
        spec: { ...spread(ZONE, 1, { nodeAffinityPolicy: "Ignore" }), nodeSelector: { [ZONE]: "z1" } },
      }),
      "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) didn't match pod topology spread constraints.",
    ],
    [
      "tainted zones count unless it says so",
      [A, node("t", "z2", { spec: { taints: [{ key: "k", effect: "NoSchedule" }] } })],
      webs("a", 1),
      pod({ labels: web, spec: spread(ZONE, 1) }),
      "0/2 nodes are available: 1 node(s) didn't match pod topology spread constraints, 1 node(s) had untolerated taint(s).",
    ],
    [
      "tainted zones left out",
      [A, node("t", "z2", { spec: { taints: [{ key: "k", effect: "NoSchedule" }] } })],
      webs("a", 1),
      pod({ labels: web, spec: spread(ZONE, 1, { nodeTaintsPolicy: "Honor" }) }),
      "a",
    ],
    [
      "pods of other namespaces do not count",
      [A, C],
      [
        [pod({ labels: web, namespace: "other" }), "a"],
        [pod({ labels: web, namespace: "other" }), "a"],
        ...webs("c", 1),
      ],
      pod({ labels: web, spec: spread(ZONE, 1) }),
      "a",
    ],
    [
      "preferred: the emptier zone",
      [A, B, C],
      [...webs("a", 3), ...webs("b", 3)],
      pod({ labels: web, spec: spread(ZONE, 1, { whenUnsatisfiable: "ScheduleAnyway" }) }),
      "c",
    ],
    [
      "by default a service's pods spread over nodes",
      [A, B],
      webs("a", 2),
      pod({ labels: web }),
      "b",
      { workloadSelector: selectorOfMap(web) },
    ],
    [
      "matchLabelKeys: each version for itself",
      [A, C],
      [
        [pod({ labels: { ...web, v: "1" } }), "a"],
        [pod({ labels: { ...web, v: "2" } }), "c"],
      ],
      pod({ labels: { ...web, v: "2" }, spec: spread(ZONE, 1, { matchLabelKeys: ["v"] }) }),
      "a",
    ],
  ];
  for (const [what, nodes, placed, wanted, expected, options] of table) {
    test(what, () => assert.equal(outcome(cluster(nodes, placed), wanted, options), expected));
  }
});

test("a node that has a large image already is preferred", () => {
  const images = [{ names: ["registry.example.com/model:latest"], sizeBytes: 900 * 1024 * 1024 }];
  const nodes = [A, node("i", "z1", { status: { allocatable: A.status?.allocatable, images } })];
  const wanted = pod({ spec: { containers: [{ name: "c", image: "registry.example.com/model" }] } });
  assert.equal(outcome(cluster(nodes, []), wanted), "i");
});

describe("preemption", () => {
  /** Where room is made and at whose cost, or what is said. */
  function preempt(state: ClusterState, wanted: Pod, options?: TestProfileOptions): string {
    const profile = testProfile(state, options);
    const cycle = { cluster: state, pod: podInfo(wanted) };
    const before = JSON.stringify(Array.from(state.podCounts));
    const decision = decide(profile, cycle, seededRandom(1));
    assert.equal(decision.kind, "unschedulable");
    if (decision.kind !== "unschedulable") return "";
    const result = profile.postFilters[0]?.postFilter(cycle, decision.diagnosis);
    assert.ok(!(result instanceof Promise), "without extenders nothing is waited for");
    assert.equal(JSON.stringify(Array.from(state.podCounts)), before, "trials leave nothing behind");
    return result?.nominatedNode || fitMessage(decision.diagnosis, result?.message ?? "");
  }
  const full = (name: string, priority: number, more: PodOptions = {}): [Pod, string] => [
    pod({ cpu: "4", priority, ...more }),
    name,
  ];
  const high = (more: PodOptions = {}): Pod => pod({ cpu: "2", priority: 100, ...more });

  test("the node whose victims matter least", () => {
    assert.equal(preempt(cluster([A, C], [full("a", 50), full("c", 10)]), high()), "c");
  });
  test("the fewest victims", () => {
    const small = (): [Pod, string] => [pod({ cpu: "2", priority: 10 }), "a"];
    const placed = [small(), small(), full("c", 10)] as [Pod, string][];
    assert.equal(preempt(cluster([A, C], placed), high({ cpu: "4" })), "c");
  });
  test("no budget broken where it can be helped", () => {
    const budget = {
      metadata: { namespace: "default" },
      spec: { selector: { matchLabels: db } },
      status: { disruptionsAllowed: 0 },
    };
    const options = { budgets: [budget as never] };
    assert.equal(preempt(cluster([A, C], [full("a", 10), full("c", 5, { labels: db })]), high(), options), "a");
  });
  test("of equal ones those that started last", () => {
    assert.equal(
      preempt(cluster([A, C], [full("a", 10, { started: 100 }), full("c", 10, { started: 200 })]), high()),
      "c",
    );
  });
  test("pods of the same priority are safe", () => {
    assert.equal(
      preempt(cluster([A], [full("a", 100)]), high()),
      "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.",
    );
  });
  test("it is no help where the pod could not go anyway", () => {
    const tainted = node("t", "z1", { spec: { taints: [{ key: "k", effect: "NoSchedule" }] } });
    assert.equal(
      preempt(cluster([A, tainted], [full("a", 100)]), high()),
      "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s). preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling.",
    );
  });
  test("a request larger than the node is not helped by anybody's leaving", () => {
    assert.equal(
      preempt(cluster([A], [full("a", 1)]), high({ cpu: "5" })),
      "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
    );
  });
  test("a pod may say that it never preempts", () => {
    assert.equal(
      preempt(cluster([A], [full("a", 1)]), high({ spec: { preemptionPolicy: "Never" } })),
      "0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never.",
    );
  });
  test("anti-affinity is lifted by driving out the one it is against", () => {
    const state = cluster(
      [A],
      [
        [pod({ labels: web, priority: 1 }), "a"],
        [pod({ labels: db, priority: 1 }), "a"],
      ],
    );
    assert.equal(preempt(state, pod({ priority: 100, spec: apart(term(web, HOST)) })), "a");
  });
  test("a place that is promised is not taken by a lesser pod", () => {
    const state = cluster([A, C], [[pod({ cpu: "4" }), "c"]]);
    const promised = podInfo(high({ cpu: "4" }));
    nominate(state, promised, "a");
    assert.equal(outcome(state, pod({ cpu: "1", priority: 1 })), "0/2 nodes are available: 2 Insufficient cpu.");
    assert.equal(outcome(state, pod({ cpu: "1", priority: 200 })), "a");
    assert.equal(nodeName(state, 0), "a");
  });
});
