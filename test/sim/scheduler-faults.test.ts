// The scheduler behind a faulty network on virtual time: requests and answers lost, watches broken, restarts in mid-cycle, nodes lost, two at once.
// SIM_SEEDS=100 makes a longer run.
import assert from "node:assert/strict";
import { test } from "node:test";
import { virtualClock, type VirtualClock } from "../../src/base/clock.ts";
import { silentLogger } from "../../src/base/logger.ts";
import { seededRandom, type Random } from "../../src/base/random.ts";
import { RESOURCES } from "../../src/formats/kube-resources.ts";
import { quantityMillis } from "../../src/formats/quantity.ts";
import type { Pod } from "../../src/formats/kube-types.generated.ts";
import { startScheduler, type Scheduler } from "../../src/kube-control/scheduler.ts";
import { createCluster, type Cluster } from "../../src/main/create-cluster.ts";
import { pod, requests } from "./support/cluster.ts";
import { faultyClient, SOME_FAULTS } from "./support/faulty-client.ts";
import { advanceUntil, settle } from "./support/virtual-time.ts";

const SEEDS = Number(process.env["SIM_SEEDS"] ?? 3);
const NODES = ["a", "b", "c", "d"].map((name, index) => ({
  name,
  capacity: { cpu: "2", memory: "4Gi", pods: "10" },
  labels: { half: index < 2 ? "left" : "right" },
}));

function cpusOf({ spec }: Pod): number {
  return quantityMillis(spec?.containers[0]?.resources?.requests?.["cpu"]) / 1000;
}

/** Watches through a sound client: what was bound, and every rule that a binding broke. */
function watch(cluster: Cluster, strict: boolean) {
  const broken: string[] = [];
  const homes = new Map<string, string>();
  const pods = cluster.informers.informer(RESOURCES.pods);
  const see = (after: Pod): void => {
    const { uid = "", name = "" } = after.metadata;
    const node = after.spec?.nodeName;
    if (!node) return;
    const before = homes.get(uid);
    if (before === node) return;
    if (before !== undefined) broken.push(`${name} was on ${before} and is on ${node}`);
    homes.set(uid, node);
    const half = after.spec?.nodeSelector?.["half"];
    if (half && NODES.find((each) => each.name === node)?.labels.half !== half) broken.push(`${name} is on ${node}`);
    if (!strict) return;
    const here = Array.from(pods.cache.values()).filter(({ spec }) => spec?.nodeName === node);
    const cpu = here.reduce((sum, each) => sum + cpusOf(each), 0);
    if (cpu > 2) broken.push(`${node} has ${cpu} cpus of pods: ${here.map(({ metadata }) => metadata.name).join()}`);
    const apart = here.filter(({ metadata }) => metadata.labels?.["apart"]);
    if (apart.length > 1) broken.push(`${apart.map(({ metadata }) => metadata.name).join()} are together on ${node}`);
  };
  pods.addHandler({ add: see, update: (_, after) => see(after) });
  return { pods, broken };
}

function randomPod(name: string, random: Random): Pod {
  const chance = random.next();
  const sized = requests(random.next() < 0.5 ? "1" : "0.5");
  if (chance < 0.3) return pod(name, { ...sized, nodeSelector: { half: random.next() < 0.5 ? "left" : "right" } });
  if (chance > 0.5) return pod(name, sized);
  const term = { topologyKey: "kubernetes.io/hostname", labelSelector: { matchLabels: { apart: "yes" } } };
  const affinity = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } };
  return pod(name, { ...sized, affinity }, { labels: { apart: "yes" } });
}

/** Schedulers that are ended and started anew at random moments. */
function schedulers(cluster: Cluster, clock: VirtualClock, random: Random, count: number) {
  let disturbed = true;
  const start = (): Scheduler => {
    const client = faultyClient(cluster.client, clock, random, SOME_FAULTS, () => disturbed);
    return startScheduler({ client, clock, random, logger: silentLogger });
  };
  const running = Array.from({ length: count }, start);
  const stop = async (scheduler: Scheduler | undefined): Promise<void> => {
    let done = false;
    void scheduler?.stop().then(() => (done = true));
    while (!done) await step(clock, 1000);
  };
  return {
    calm: () => void (disturbed = false),
    async restart(index: number): Promise<void> {
      await stop(running[index]);
      running[index] = start();
    },
    async end(): Promise<void> {
      disturbed = false;
      for (const scheduler of running) await stop(scheduler);
    },
  };
}

async function step(clock: VirtualClock, ms: number): Promise<void> {
  await settle(3);
  await clock.advance(ms);
  await settle(3);
}

async function run(seed: number, count: number): Promise<void> {
  const clock = virtualClock();
  const random = seededRandom(seed);
  const cluster = await createCluster({ clock, random, nodes: NODES, scheduler: false, controllers: [] });
  const { client } = cluster;
  // Two schedulers that know nothing of each other can fill a node twice: each rule but those between pods holds all the same.
  const { pods, broken } = watch(cluster, count === 1);
  const plane = schedulers(cluster, clock, random, count);
  let made = 0;
  for (let round = 0; round < 60; round++) {
    const chance = random.next();
    if (chance < 0.5) await client.create(RESOURCES.pods, randomPod(`p${made++}`, random));
    else if (chance < 0.65) {
      const [any] = Array.from(pods.cache.values()).filter(({ spec }) => spec?.nodeName);
      if (any) await client.delete(RESOURCES.pods, "default", any.metadata.name ?? "", { gracePeriodSeconds: 0 });
    } else if (chance < 0.72) await loseNode(cluster);
    else if (chance < 0.8) await plane.restart(Math.floor(random.next() * count));
    await step(clock, 1 + Math.floor(random.next() * 1500));
  }
  plane.calm();
  const waiting = (): Pod[] => Array.from(pods.cache.values()).filter(({ spec }) => !spec?.nodeName);
  // Room for everyone: nobody may be forgotten.
  for (const each of Array.from(pods.cache.values())) {
    if (each.spec?.nodeName)
      await client.delete(RESOURCES.pods, "default", each.metadata.name ?? "", { gracePeriodSeconds: 0 });
  }
  await advanceUntil(clock, `seed ${seed}: everyone that fits is placed`, () => fitsNoMore(waiting(), pods));
  assert.deepEqual(broken, [], `seed ${seed}`);
  await plane.end();
  await cluster.close();
}

/** The node is gone, with what was on it, and comes back. */
async function loseNode({ client }: Cluster): Promise<void> {
  const { metadata, spec, status } = await client.get(RESOURCES.nodes, undefined, "d");
  await client.delete(RESOURCES.nodes, undefined, "d");
  const { items } = await client.list(RESOURCES.pods, { fieldSelector: "spec.nodeName=d" });
  for (const { metadata: of } of items) {
    await client.delete(RESOURCES.pods, of.namespace, of.name ?? "", { gracePeriodSeconds: 0 });
  }
  const anew = { name: metadata.name, labels: metadata.labels };
  await client.create(RESOURCES.nodes, { apiVersion: "v1", kind: "Node", metadata: anew, spec, status });
}

function fitsNoMore(waiting: readonly Pod[], pods: { cache: { values(): Iterable<Pod> } }): boolean {
  const free = new Map(NODES.map(({ name }) => [name, 2]));
  const apart = new Set<string>();
  for (const each of pods.cache.values()) {
    const { spec, metadata } = each;
    const node = spec?.nodeName;
    if (!node) continue;
    free.set(node, (free.get(node) ?? 0) - cpusOf(each));
    if (metadata.labels?.["apart"]) apart.add(node);
  }
  return waiting.every((each) => {
    const { spec, metadata } = each;
    const wanted = cpusOf(each);
    const half = spec?.nodeSelector?.["half"];
    return NODES.every(
      ({ name, labels }) =>
        (free.get(name) ?? 0) < wanted ||
        (half !== undefined && labels.half !== half) ||
        (metadata.labels?.["apart"] !== undefined && apart.has(name)),
    );
  });
}

for (let seed = 1; seed <= SEEDS; seed++) {
  test(`seed ${seed}: under faults no binding breaks a rule, and nobody who fits is forgotten`, () => run(seed, 1));
  test(`seed ${seed}: two schedulers at once place no pod twice`, () => run(seed + 1000, 2));
}
