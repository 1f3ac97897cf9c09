// The fast scheduler against a slow, obviously correct one (test/reference/), on seeded random clusters: the same feasible nodes, the same scores.
// GANTRY_LONG_SCHEDULER=1 makes 100,000 decisions of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../src/base/random.ts";
import type { Node, Pod } from "../../src/formats/kube-types.generated.ts";
import { clusterState, nodeName, type ClusterState } from "../../src/kube-control/scheduler/cluster/cluster-state.ts";
import { removeNode, setNode } from "../../src/kube-control/scheduler/cluster/nodes.ts";
import { place, unplace } from "../../src/kube-control/scheduler/cluster/placements.ts";
import { podInfo } from "../../src/kube-control/scheduler/cluster/pod-info.ts";
import { decide, feasible } from "../../src/kube-control/scheduler/framework/decide.ts";
import { likePods } from "../../src/kube-control/scheduler/framework/like-pods.ts";
import { scoreRows } from "../../src/kube-control/scheduler/framework/score.ts";
import { testProfile } from "../../src/kube-control/scheduler/test/profile.ts";
import { feasibleNodes } from "../reference/filters.ts";
import { nameOf, type World } from "../reference/model.ts";
import { chance, NAMESPACES, randomNode, randomPod, type Chance } from "../reference/random-world.ts";
import { totalScores } from "../reference/scores.ts";

const DECISIONS = process.env["GANTRY_LONG_SCHEDULER"] ? 100_000 : 1500;
const PER_CLUSTER = 150;

interface Both {
  readonly world: { nodes: Node[]; pods: Pod[]; readonly namespaces: World["namespaces"] };
  readonly cluster: ClusterState;
}

function addNode({ world, cluster }: Both, node: Node): void {
  world.nodes = [...world.nodes.filter((each) => nameOf(each) !== nameOf(node)), node];
  setNode(cluster, node);
}

/** Nodes come, change and go, pods leave or begin to end. */
function disturb(both: Both, chances: Chance): void {
  const { world, cluster } = both;
  if (chances.happens(0.05)) addNode(both, randomNode(`n${chances.upTo(30)}`, chances));
  if (chances.happens(0.02) && world.nodes.length > 3) {
    const name = nameOf(chances.pick(world.nodes));
    world.nodes = world.nodes.filter((each) => nameOf(each) !== name);
    for (const pod of world.pods.filter(({ spec }) => spec?.nodeName === name))
      unplace(cluster, pod.metadata.uid ?? "");
    world.pods = world.pods.filter(({ spec }) => spec?.nodeName !== name);
    removeNode(cluster, name);
  }
  if (chances.happens(0.35) && world.pods.length > 0) {
    const leaving = chances.pick(world.pods);
    world.pods = world.pods.filter((each) => each !== leaving);
    unplace(cluster, leaving.metadata.uid ?? "");
    if (!chances.happens(0.3)) return;
    const ending = { ...leaving, metadata: { ...leaving.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } };
    world.pods = [...world.pods, ending];
    place(cluster, podInfo(ending), ending.spec?.nodeName ?? "");
  }
}

function compareOnce(seed: number, count: number): { placed: number; refused: number } {
  const random = seededRandom(seed);
  const chances = chance(random);
  const cluster = clusterState();
  const both: Both = { cluster, world: { nodes: [], pods: [], namespaces: NAMESPACES } };
  const profile = testProfile(cluster, { namespaces: NAMESPACES });
  const memory = likePods(profile);
  for (let index = 0; index < 3 + chances.upTo(15); index++) addNode(both, randomNode(`n${index}`, chances));
  const kinds = Array.from({ length: 12 }, (_, index) => randomPod(`kind-${index}`, chances));
  let placed = 0;
  for (let step = 0; step < count; step++) {
    disturb(both, chances);
    const name = `p${step}`;
    // Many like pods, as in life, and some of their own kind.
    const like = chances.happens(0.7) ? chances.pick(kinds) : randomPod(name, chances);
    const pod: Pod = { ...like, metadata: { ...like.metadata, name, uid: name } };
    const where = `seed ${seed}, step ${step}: ${JSON.stringify(pod)}`;
    const cycle = { cluster, pod: podInfo(pod) };
    const wanted = feasibleNodes(both.world, pod);
    const found = feasible(profile, cycle);
    const rows = found.kind === "rows" ? found.rows : new Int32Array(0);
    assert.deepEqual(Array.from(rows, (row) => nodeName(cluster, row)).sort(), wanted.map(nameOf).sort(), where);
    const decision = decide(profile, cycle, random, memory);
    if (wanted.length === 0) {
      assert.equal(decision.kind, "unschedulable", where);
      continue;
    }
    const totals = totalScores(both.world, pod, wanted);
    const scores = scoreRows(profile.scores, cycle, rows);
    const own = new Map(Array.from(rows, (row, index) => [nodeName(cluster, row), scores.total[index]]));
    assert.deepEqual(new Map(Array.from(own).sort()), new Map(Array.from(totals).sort()), where);
    assert.ok(decision.kind === "placed", where);
    assert.equal(totals.get(decision.nodeName), Math.max(...totals.values()), where);
    if (decision.scores) assert.equal(decision.scores[0]?.total, Math.max(...totals.values()), where);
    const bound: Pod = { ...pod, spec: { containers: [], ...pod.spec, nodeName: decision.nodeName } };
    both.world.pods = [...both.world.pods, bound];
    place(cluster, podInfo(bound), decision.nodeName);
    placed++;
  }
  return { placed, refused: count - placed };
}

test(`${DECISIONS} decisions: feasible nodes and scores are those of the reference`, (t) => {
  let placed = 0;
  let refused = 0;
  for (let seed = 1; seed <= DECISIONS / PER_CLUSTER + 1; seed++) {
    const left = DECISIONS - (seed - 1) * PER_CLUSTER;
    if (left <= 0) break;
    const run = compareOnce(seed, Math.min(PER_CLUSTER, left));
    placed += run.placed;
    refused += run.refused;
  }
  t.diagnostic(`${placed} placed, ${refused} refused`);
  assert.ok(placed > DECISIONS / 5 && refused > DECISIONS / 20, `${placed} placed, ${refused} refused`);
});

/** Feasible nodes and totals of a pod, by the fast scheduler alone. */
function judged(
  nodes: readonly Node[],
  pods: readonly Pod[],
  pod: Pod,
): { names: string[]; totals: Map<string, number> } {
  const cluster = clusterState();
  const profile = testProfile(cluster, { namespaces: NAMESPACES });
  for (const node of nodes) setNode(cluster, node);
  for (const each of pods) place(cluster, podInfo(each), each.spec?.nodeName ?? "");
  const cycle = { cluster, pod: podInfo(pod) };
  const found = feasible(profile, cycle);
  if (found.kind !== "rows") return { names: [], totals: new Map() };
  const { total, rows } = scoreRows(profile.scores, cycle, found.rows);
  const names = Array.from(rows, (row) => nodeName(cluster, row));
  return { names: names.toSorted(), totals: new Map(names.map((name, index) => [name, total[index] ?? 0])) };
}

test("what must not matter does not, and what must only help only helps", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const chances = chance(seededRandom(seed));
    const nodes = Array.from({ length: 8 }, (_, index) => randomNode(`n${index}`, chances));
    const pods = Array.from({ length: 20 }, (_, index) => {
      const pod = randomPod(`p${index}`, chances);
      return { ...pod, spec: { containers: [], ...pod.spec, nodeName: nameOf(chances.pick(nodes)) } };
    });
    const pod = randomPod("new", chances);
    const first = judged(nodes, pods, pod);
    const where = `seed ${seed}`;
    // The order in which things became known.
    const reversed = judged(nodes.toReversed(), pods.toReversed(), pod);
    assert.deepEqual(reversed.names, first.names, where);
    assert.deepEqual(new Map(Array.from(reversed.totals).sort()), new Map(Array.from(first.totals).sort()), where);
    // A node that no pod may use and that is in nobody's domain.
    const useless: Node = { metadata: { name: "useless" }, spec: { unschedulable: true }, status: {} };
    const tolerant = (pod.spec?.tolerations ?? []).some(({ key }) => !key);
    const soft = (pod.spec?.topologySpreadConstraints ?? []).length > 0;
    if (!tolerant && !soft) assert.deepEqual(judged([...nodes, useless], pods, pod).names, first.names, where);
    // More room and fewer demands keep every node that was feasible.
    const roomy = nodes.map((node) => ({
      ...node,
      status: { ...node.status, allocatable: { ...node.status?.allocatable, cpu: "64", memory: "64Gi", pods: "200" } },
    }));
    const more = judged(roomy, pods, pod).names;
    assert.ok(
      first.names.every((name) => more.includes(name)),
      `${where}: more room`,
    );
    const { nodeSelector: _, ...undemanding } = pod.spec ?? { containers: [] };
    if (!soft) {
      const freer = judged(nodes, pods, { ...pod, spec: undemanding }).names;
      assert.ok(
        first.names.every((name) => freer.includes(name)),
        `${where}: without node selector`,
      );
    }
    // A pod that is taken away again has left nothing behind.
    const passing = { ...pod, metadata: { ...pod.metadata, name: "passing", uid: "passing" } };
    const cluster = clusterState();
    const profile = testProfile(cluster, { namespaces: NAMESPACES });
    for (const node of nodes) setNode(cluster, node);
    for (const each of pods) place(cluster, podInfo(each), each.spec?.nodeName ?? "");
    place(cluster, podInfo(passing), nameOf(chances.pick(nodes)));
    unplace(cluster, "passing");
    const after = feasible(profile, { cluster, pod: podInfo(pod) });
    const names = after.kind === "rows" ? Array.from(after.rows, (row) => nodeName(cluster, row)).sort() : [];
    assert.deepEqual(names, first.names, `${where}: nothing left behind`);
  }
});
