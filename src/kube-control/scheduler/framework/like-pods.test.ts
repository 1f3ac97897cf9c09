// What is remembered of like pods must change nothing but the time it takes: the same decisions with and without it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom, type Random } from "#base/random.ts";
import type { Pod, PodSpec } from "#formats/kube-types.generated.ts";
import { clusterState, nodeName, type ClusterState } from "../cluster/cluster-state.ts";
import { removeNode, setNode } from "../cluster/nodes.ts";
import { podInfo } from "../cluster/pod-info.ts";
import { place, unplace } from "../cluster/placements.ts";
import { testProfile } from "../test/profile.ts";
import { decide, feasible } from "./decide.ts";
import { fitMessage } from "./diagnosis.ts";
import { likePods } from "./like-pods.ts";
import type { Cycle } from "./plugin.ts";
import type { Profile } from "./profile.ts";
import { scoreRows } from "./score.ts";

const pick = <T>(random: Random, values: readonly T[]): T => values[Math.floor(random.next() * values.length)] as T;

function addNode(cluster: ClusterState, random: Random, name: string): void {
  const taints =
    random.next() < 0.2
      ? [{ key: "k", value: pick(random, ["a", "b"]), effect: pick(random, ["NoSchedule", "PreferNoSchedule"]) }]
      : [];
  setNode(cluster, {
    metadata: { name, labels: { zone: pick(random, ["1", "2", "3"]), "kubernetes.io/hostname": name } },
    spec: { taints, unschedulable: random.next() < 0.05 },
    status: { allocatable: { cpu: pick(random, ["2", "4"]), memory: "8Gi", pods: "12" } },
  });
}

const KINDS: readonly Partial<PodSpec>[] = [
  {},
  { nodeSelector: { zone: "1" } },
  { tolerations: [{ key: "k", operator: "Exists" }] },
  { containers: [{ name: "c", ports: [{ containerPort: 80, hostPort: 80 }] }] },
  {
    affinity: {
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { topologyKey: "kubernetes.io/hostname", labelSelector: { matchLabels: { app: "x" } } },
        ],
      },
    },
  },
  {
    topologySpreadConstraints: [
      {
        topologyKey: "zone",
        maxSkew: 1,
        whenUnsatisfiable: "DoNotSchedule",
        labelSelector: { matchLabels: { app: "x" } },
      },
    ],
  },
  {
    affinity: {
      nodeAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          { weight: 5, preference: { matchExpressions: [{ key: "zone", operator: "In", values: ["2"] }] } },
        ],
      },
    },
  },
];

function makePod(random: Random, uid: string): Pod {
  const requests = { cpu: pick(random, ["100m", "500m"]), memory: "256Mi" };
  const kind = pick(random, KINDS);
  return {
    metadata: { name: uid, uid, namespace: "default", labels: { app: pick(random, ["x", "y"]) } },
    spec: { containers: [{ name: "c", resources: { requests } }], ...kind },
  };
}

for (const seed of [1, 2, 3]) {
  test(`seed ${seed}: decisions are the same with and without memory`, () => {
    const random = seededRandom(seed);
    const cluster = clusterState();
    const profile = testProfile(cluster);
    const memory = likePods(profile);
    for (let index = 0; index < 40; index++) addNode(cluster, random, `n${index}`);
    const placed: string[] = [];
    let nodes = 40;
    for (let step = 0; step < 400; step++) {
      const chance = random.next();
      if (chance < 0.05) addNode(cluster, random, `n${nodes++}`);
      else if (chance < 0.08) removeNode(cluster, `n${Math.floor(random.next() * nodes)}`);
      else if (chance < 0.12) addNode(cluster, random, `n${Math.floor(random.next() * nodes)}`);
      else if (chance < 0.3 && placed.length > 0)
        unplace(cluster, placed.splice(Math.floor(random.next() * placed.length), 1)[0] ?? "");
      const info = podInfo(makePod(random, `p${step}`));
      const cycle = { cluster, pod: info };
      const plain = decide(profile, cycle, seededRandom(step));
      const remembered = decide(profile, cycle, seededRandom(step), memory);
      assert.equal(describe(remembered), describe(plain), `step ${step}`);
      if (plain.kind === "placed" && remembered.kind === "placed" && plain.nodeName !== remembered.nodeName) {
        // Of several with the highest score either may be taken.
        const highest = evaluated(profile, cycle).best;
        assert.ok(highest.includes(remembered.nodeName), `step ${step}: ${remembered.nodeName} of ${highest.join()}`);
      }
      if (remembered.kind !== "placed") continue;
      place(cluster, info, remembered.nodeName);
      placed.push(info.uid);
    }
    assert.ok(placed.length > 50);
  });
}

function describe(decision: ReturnType<typeof decide>): string {
  if (decision.kind === "unschedulable") return fitMessage(decision.diagnosis, "");
  return decision.kind === "placed" ? String(decision.scores?.[0]?.total) : decision.kind;
}

function evaluated(profile: Profile, cycle: Cycle): { best: string[] } {
  const found = feasible(profile, cycle);
  assert.ok(found.kind === "rows");
  const { rows, total } = scoreRows(profile.scores, cycle, found.rows);
  const highest = Math.max(...total);
  return {
    best: Array.from(rows)
      .filter((_, index) => total[index] === highest)
      .map((row) => nodeName(cycle.cluster, row)),
  };
}
