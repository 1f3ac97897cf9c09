// Seeded faults against ReplicaSet, Deployment, StatefulSet and Job: whatever is lost, late, repeated or restarted, limits hold on the way and the end is the same.
// SIM_SEEDS=1000 makes the long run; SIM_SEED=n repeats one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RESOURCES } from "../../src/formats/kube-resources.ts";
import type { Deployment, Pod, ReplicaSet } from "../../src/formats/kube-types.generated.ts";
import { SOME_FAULTS } from "./support/faulty-client.ts";
import { deployment, podSpec } from "./support/cluster.ts";
import { simulate, type Simulation } from "./support/simulation.ts";

const CONTROLLERS = [
  "deployment-controller",
  "replicaset-controller",
  "garbage-collector-controller",
  "statefulset-controller",
  "job-controller",
];
const only = process.env["SIM_SEED"];
const seeds = only
  ? [Number(only)]
  : Array.from({ length: Number(process.env["SIM_SEEDS"] ?? 8) }, (_, index) => index + 1);

const podsOf = ({ cluster }: Simulation): Pod[] =>
  Array.from(cluster.informers.informer(RESOURCES.pods).cache.values());
const setsOf = ({ cluster }: Simulation): ReplicaSet[] =>
  Array.from(cluster.informers.informer(RESOURCES.replicasets).cache.values());
const deploymentOf = ({ cluster }: Simulation): Deployment | undefined =>
  cluster.informers.informer(RESOURCES.deployments).cache.get("default/web");
const isLive = ({ metadata, status }: Pod): boolean => !metadata.deletionTimestamp && status?.phase !== "Failed";
const isReady = (pod: Pod): boolean =>
  isLive(pod) && (pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false);

/** Calls `check` after every change of a pod, as it really is. */
async function watchPods(simulation: Simulation, check: (live: readonly Pod[]) => void): Promise<void> {
  const informer = simulation.cluster.informers.informer(RESOURCES.pods);
  await Promise.all(
    [RESOURCES.pods, RESOURCES.replicasets, RESOURCES.deployments].map((each) =>
      simulation.cluster.informers.informer(each as typeof RESOURCES.pods).whenSynced(),
    ),
  );
  const look = (): void => check(Array.from(informer.cache.values()).filter(isLive));
  informer.addHandler({ add: look, update: look, delete: look });
}

function isRolledOut(simulation: Simulation, replicas: number, image: string): boolean {
  const pods = podsOf(simulation);
  const { status, metadata } = deploymentOf(simulation) ?? { metadata: {} };
  return (
    pods.length === replicas &&
    pods.every((pod) => isReady(pod) && pod.spec?.containers[0]?.image === image) &&
    status?.observedGeneration === metadata.generation &&
    status?.updatedReplicas === replicas &&
    status.replicas === replicas &&
    status.availableReplicas === replicas &&
    !status.terminatingReplicas
  );
}

/** What does not depend on names and times. */
function ending(simulation: Simulation): object {
  const { status, metadata } = deploymentOf(simulation) ?? { metadata: {} };
  const { conditions = [], ...counts } = status ?? {};
  return {
    pods: podsOf(simulation)
      .map(({ spec, status: is }) => `${spec?.containers[0]?.image ?? ""} ${is?.phase ?? ""}`)
      .sort(),
    sets: setsOf(simulation)
      .map(({ spec, status: is, metadata: { annotations = {} } }) => [
        annotations["deployment.kubernetes.io/revision"],
        spec?.replicas,
        is?.replicas,
        is?.availableReplicas ?? 0,
      ])
      .sort(),
    revision: metadata.annotations?.["deployment.kubernetes.io/revision"],
    counts,
    conditions: conditions.map(({ type, status: is, reason }) => `${type}=${is} ${reason ?? ""}`).sort(),
  };
}

async function rollingUpdate(simulation: Simulation): Promise<object> {
  const { cluster, random } = simulation;
  const strategy = { type: "RollingUpdate", rollingUpdate: { maxSurge: 2, maxUnavailable: 1 } };
  const template = {
    metadata: {
      labels: { app: "web" },
      annotations: { "simulated.gantry.dev/ready-ms": "1000", "simulated.gantry.dev/stop-ms": "500" },
    },
    spec: podSpec(),
  };
  const spec = { strategy, template, progressDeadlineSeconds: 600 };
  const problems: string[] = [];
  let atLeast = 0;
  await watchPods(simulation, (live) => {
    if (live.length > 8) problems.push(`${live.length} pods where 8 are the most`);
    const ready = live.filter(isReady).length;
    if (ready < atLeast) problems.push(`${ready} available where 5 are the least`);
  });
  await cluster.client.create(RESOURCES.deployments, deployment("web", 6, spec));
  await simulation.pass(60_000 + random.next() * 60_000);
  for (let waits = 0; !isRolledOut(simulation, 6, "example") && waits < 100; waits++) await simulation.pass(10_000);
  assert.ok(isRolledOut(simulation, 6, "example"), "first rollout");
  atLeast = 5;
  for (const image of ["example:2", "example:3"]) {
    const body = { spec: { template: { spec: { containers: [{ name: "main", image }] } } } };
    await cluster.client.patch(RESOURCES.deployments, "default", "web", { type: "strategic", body });
    // A template that nobody saw makes no revision, here or there.
    while (!setsOf(simulation).some((each) => each.spec?.template?.spec?.containers[0]?.image === image))
      await simulation.pass(500);
    await simulation.pass(random.next() * 30_000);
  }
  await simulation.calm(
    "the last rollout",
    () =>
      isRolledOut(simulation, 6, "example:3") &&
      setsOf(simulation).every((each) => (each.status?.replicas ?? 0) === each.spec?.replicas),
  );
  assert.deepEqual(problems, []);
  return ending(simulation);
}

async function killings(simulation: Simulation): Promise<object> {
  const { cluster, random } = simulation;
  const problems: string[] = [];
  const labels = { app: "set" };
  await watchPods(simulation, (live) => {
    if (live.length > 5) problems.push(`${live.length} pods where 5 are the most`);
  });
  await cluster.client.create(RESOURCES.replicasets, {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: { name: "set", namespace: "default" },
    spec: { replicas: 5, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: podSpec() } },
  });
  for (let round = 0; round < 10; round++) {
    await simulation.pass(random.next() * 10_000);
    const live = podsOf(simulation).filter(isLive);
    const victim = live[Math.floor(random.next() * live.length)];
    if (victim)
      await cluster.client.delete(RESOURCES.pods, "default", victim.metadata.name ?? "").catch(() => undefined);
  }
  await cluster.client.patch(RESOURCES.replicasets, "default", "set", {
    type: "merge",
    body: { spec: { replicas: 3 } },
  });
  await simulation.calm("3 ready pods", () => {
    const [set] = setsOf(simulation);
    return (
      podsOf(simulation).length === 3 &&
      podsOf(simulation).every(isReady) &&
      set?.status?.availableReplicas === 3 &&
      set.status.replicas === 3 &&
      !set.status.terminatingReplicas
    );
  });
  assert.deepEqual(problems, []);
  return { sets: setsOf(simulation).map(({ status }) => status) };
}

async function orderedSet(simulation: Simulation): Promise<object> {
  const { cluster, random } = simulation;
  const problems: string[] = [];
  const labels = { app: "db" };
  const template = {
    metadata: {
      labels,
      annotations: { "simulated.gantry.dev/ready-ms": "500", "simulated.gantry.dev/stop-ms": "300" },
    },
    spec: podSpec(),
  };
  await watchPods(simulation, (live) => {
    const names = live.map(({ metadata }) => metadata.name);
    if (new Set(names).size !== names.length) problems.push(`two of one name: ${names.join()}`);
  });
  const sets = cluster.informers.informer(RESOURCES.statefulsets);
  await sets.whenSynced();
  const status = () => sets.cache.get("default/db")?.status;
  await cluster.client.create(RESOURCES.statefulsets, {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: { name: "db", namespace: "default" },
    spec: { serviceName: "db", replicas: 4, selector: { matchLabels: labels }, template },
  });
  for (let waits = 0; status()?.availableReplicas !== 4 && waits < 100; waits++) await simulation.pass(5000);
  const body = { spec: { replicas: 3, template: { spec: { containers: [{ name: "main", image: "example:2" }] } } } };
  await cluster.client.patch(RESOURCES.statefulsets, "default", "db", { type: "strategic", body });
  await simulation.pass(random.next() * 20_000);
  const done = (): boolean => {
    const pods = podsOf(simulation);
    const now = status();
    return (
      pods.length === 3 &&
      pods.every((pod) => isReady(pod) && pod.spec?.containers[0]?.image === "example:2") &&
      now?.currentRevision === now?.updateRevision &&
      now?.availableReplicas === 3 &&
      now.replicas === 3 &&
      now.updatedReplicas === 3
    );
  };
  await simulation.calm("3 new pods", done);
  assert.deepEqual(problems, []);
  const { currentRevision: _, updateRevision: __, ...counts } = status() ?? {};
  return {
    names: podsOf(simulation)
      .map(({ metadata }) => metadata.name)
      .sort(),
    counts,
  };
}

async function countedJob(simulation: Simulation): Promise<object> {
  const { cluster, random } = simulation;
  const problems: string[] = [];
  await watchPods(simulation, (live) => {
    const active = live.filter(({ status }) => status?.phase !== "Succeeded");
    if (active.length > 3) problems.push(`${active.length} at work where 3 are the most`);
  });
  // Somebody tidies up the moment a pod has ended, now and then.
  cluster.informers.informer(RESOURCES.pods).addHandler({
    update(_, { metadata, status }) {
      if (status?.phase === "Succeeded" && !metadata.deletionTimestamp && random.next() < 0.5)
        cluster.client.delete(RESOURCES.pods, "default", metadata.name ?? "").catch(() => undefined);
    },
  });
  const jobs = cluster.informers.informer(RESOURCES.jobs);
  await jobs.whenSynced();
  const template = {
    metadata: { annotations: { "simulated.gantry.dev/run-ms": "1500" } },
    spec: podSpec({ restartPolicy: "Never" }),
  };
  await cluster.client.create(RESOURCES.jobs, {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: "work", namespace: "default" },
    spec: { completions: 8, parallelism: 3, template },
  });
  await simulation.pass(20_000 + random.next() * 40_000);
  const status = () => jobs.cache.get("default/work")?.status;
  await simulation.calm(
    "the job's end",
    () =>
      status()?.conditions?.some(({ type }) => type === "Complete") === true &&
      podsOf(simulation).every(({ metadata }) => !metadata.finalizers?.length),
  );
  assert.deepEqual(problems, []);
  const { succeeded, failed = 0, active = 0 } = status() ?? {};
  return { succeeded, failed, active };
}

const SCENARIOS = [
  ["a rolling update", rollingUpdate],
  ["killed pods of a replica set", killings],
  ["a stateful set", orderedSet],
  ["a job", countedJob],
] as const;

for (const [name, scenario] of SCENARIOS) {
  test(`${name} under faults ends as without them, within its limits all the way`, async () => {
    const undisturbed = await run({ seed: 0, controllers: CONTROLLERS }, scenario);
    for (const seed of seeds) {
      const end = await run({ seed, controllers: CONTROLLERS, faults: SOME_FAULTS, restarts: 0.02 }, scenario);
      assert.deepEqual(end, undisturbed, `seed ${seed}`);
    }
  });
}

async function run(
  options: Parameters<typeof simulate>[0],
  scenario: (simulation: Simulation) => Promise<object>,
): Promise<object> {
  const simulation = await simulate(options);
  try {
    return await scenario(simulation);
  } catch (error) {
    throw new Error(`seed ${options.seed}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  } finally {
    await simulation.close();
  }
}
