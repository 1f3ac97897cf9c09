import assert from "node:assert/strict";
import { test } from "node:test";
import { RESOURCES } from "../../src/formats/kube-resources.ts";
import type { Deployment, DeploymentStatus, Pod } from "../../src/formats/kube-types.generated.ts";
import type { Cluster } from "../../src/main/create-cluster.ts";
import { clusterFor, deployment, podSpec, until, untilEvent } from "./support/cluster.ts";

function statusOf(all: readonly Deployment[], name: string): DeploymentStatus {
  return all.find((each) => each.metadata.name === name)?.status ?? {};
}

async function untilRolledOut(cluster: Cluster, name: string): Promise<Deployment> {
  // The cache may still show how things were before the last change.
  const { metadata: current } = await cluster.client.get(RESOURCES.deployments, "default", name);
  const all = await until(cluster, RESOURCES.deployments, `${name} rolled out`, (each) => {
    const found = each.find(({ metadata }) => metadata.name === name);
    if (!found || (found.metadata.generation ?? 0) < (current.generation ?? 0)) return false;
    const { replicas, updatedReplicas, availableReplicas, observedGeneration } = found.status ?? {};
    const wanted = found.spec?.replicas;
    return (
      observedGeneration === found.metadata.generation &&
      updatedReplicas === wanted &&
      replicas === wanted &&
      availableReplicas === wanted
    );
  });
  return all.find(({ metadata }) => metadata.name === name) as Deployment;
}

async function change(cluster: Cluster, name: string, image: string): Promise<void> {
  const body = { spec: { template: { spec: { containers: [{ name: "main", image }] } } } };
  await cluster.client.patch(RESOURCES.deployments, "default", name, { type: "strategic", body });
}

test("a deployment makes its pods, replaces a deleted one, and says so", async (t) => {
  const cluster = await clusterFor(t, { nodes: 2 });
  await cluster.client.create(RESOURCES.deployments, deployment("web", 3, { progressDeadlineSeconds: 600 }));
  const { status } = await untilRolledOut(cluster, "web");
  const condition = (type: string) => status?.conditions?.find((each) => each.type === type);
  assert.equal(condition("Available")?.message, "Deployment has minimum availability.");
  assert.match(condition("Progressing")?.message ?? "", /^ReplicaSet "web-[a-z0-9]+" has successfully progressed\.$/);
  const [scaled] = await untilEvent(cluster, "web", "ScalingReplicaSet");
  assert.match(scaled?.message ?? "", /^Scaled up replica set web-[a-z0-9]+ from 0 to 3$/);

  const before = await until(cluster, RESOURCES.pods, "3 pods", (all) => all.length === 3);
  const victim = before[0] as Pod;
  await cluster.client.delete(RESOURCES.pods, "default", victim.metadata.name ?? "");
  const after = await until(
    cluster,
    RESOURCES.pods,
    "its replacement",
    (all) => all.length === 3 && !all.some(({ metadata }) => metadata.uid === victim.metadata.uid),
  );
  assert.equal(after.filter((each) => before.includes(each)).length, 2);
});

test("a rolling update never leaves fewer available nor more pods than its limits", async (t) => {
  const cluster = await clusterFor(t, { nodes: 3 });
  const strategy = { type: "RollingUpdate", rollingUpdate: { maxSurge: 2, maxUnavailable: 1 } };
  await cluster.client.create(RESOURCES.deployments, deployment("web", 8, { strategy }));
  await untilRolledOut(cluster, "web");
  let most = 0;
  let least = 8;
  const pods = cluster.informers.informer(RESOURCES.pods);
  const measure = (): void => {
    const live = Array.from(pods.cache.values()).filter(({ metadata }) => !metadata.deletionTimestamp);
    most = Math.max(most, live.length);
    least = Math.min(
      least,
      live.filter(({ status }) => status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True"))
        .length,
    );
  };
  pods.addHandler({ add: measure, update: measure, delete: measure });
  await change(cluster, "web", "example:2");
  await untilRolledOut(cluster, "web");
  assert.ok(most > 8 && most <= 10, `${most} pods`);
  assert.ok(least >= 7, `${least} available`);
});

test("revisions are kept, numbered and gone back to", async (t) => {
  const cluster = await clusterFor(t, { nodes: 1 });
  await cluster.client.create(RESOURCES.deployments, deployment("web", 1, { revisionHistoryLimit: 2 }));
  await untilRolledOut(cluster, "web");
  for (const image of ["example:2", "example:3", "example:4", "example:2"]) {
    await change(cluster, "web", image);
    await untilRolledOut(cluster, "web");
  }
  const REVISION = "deployment.kubernetes.io/revision";
  const sets = await until(cluster, RESOURCES.replicasets, "old revisions forgotten", (all) => all.length === 3);
  const revisions = sets.map(({ metadata }) => metadata.annotations?.[REVISION]).sort();
  assert.deepEqual(revisions, ["3", "4", "5"]);
  const current = sets.find(({ spec }) => spec?.replicas === 1);
  assert.equal(current?.metadata.annotations?.["deployment.kubernetes.io/revision-history"], "2");
  const [web] = await until(
    cluster,
    RESOURCES.deployments,
    "revision on the deployment",
    (all) => all[0]?.metadata.annotations?.[REVISION] === "5",
  );
  assert.ok(web);
});

test("Recreate ends all old pods before it starts new ones", async (t) => {
  const cluster = await clusterFor(t, { nodes: 1 });
  const slow = {
    metadata: { labels: { app: "db" }, annotations: { "simulated.gantry.dev/stop-ms": "50" } },
    spec: podSpec(),
  };
  await cluster.client.create(
    RESOURCES.deployments,
    deployment("db", 2, { strategy: { type: "Recreate" }, template: slow }),
  );
  await untilRolledOut(cluster, "db");
  const pods = cluster.informers.informer(RESOURCES.pods);
  let mixed = false;
  pods.addHandler({
    add() {
      mixed ||=
        new Set(Array.from(pods.cache.values(), ({ metadata }) => metadata.labels?.["pod-template-hash"])).size > 1;
    },
  });
  mixed = false;
  await change(cluster, "db", "example:2");
  await untilRolledOut(cluster, "db");
  assert.equal(mixed, false, "old and new pods were there together");
});

test("paused: scales, but does not roll out until it is resumed", async (t) => {
  const cluster = await clusterFor(t, { nodes: 1 });
  await cluster.client.create(RESOURCES.deployments, deployment("web", 2, { progressDeadlineSeconds: 600 }));
  await untilRolledOut(cluster, "web");
  await cluster.client.patch(RESOURCES.deployments, "default", "web", {
    type: "merge",
    body: { spec: { paused: true } },
  });
  const isPaused = (all: readonly Deployment[]) =>
    statusOf(all, "web").conditions?.some(({ reason }) => reason === "DeploymentPaused") ?? false;
  await until(cluster, RESOURCES.deployments, "DeploymentPaused", isPaused);
  await change(cluster, "web", "example:2");
  await cluster.client.patch(RESOURCES.deployments, "default", "web", {
    type: "merge",
    body: { spec: { replicas: 3 } },
  });
  await until(cluster, RESOURCES.deployments, "3 replicas", (all) => statusOf(all, "web").replicas === 3);
  assert.equal((await cluster.client.list(RESOURCES.replicasets)).items.length, 1);
  await cluster.client.patch(RESOURCES.deployments, "default", "web", {
    type: "merge",
    body: { spec: { paused: false } },
  });
  await untilRolledOut(cluster, "web");
  assert.equal((await cluster.client.list(RESOURCES.replicasets)).items.length, 2);
});

test("a rollout whose pods never get ready runs out of its deadline", async (t) => {
  const cluster = await clusterFor(t, { nodes: 1 });
  const never = {
    metadata: { labels: { app: "web" }, annotations: { "simulated.gantry.dev/ready-ms": "never" } },
    spec: podSpec(),
  };
  await cluster.client.create(
    RESOURCES.deployments,
    deployment("web", 1, { progressDeadlineSeconds: 1, template: never }),
  );
  const all = await until(
    cluster,
    RESOURCES.deployments,
    "ProgressDeadlineExceeded",
    (each) => statusOf(each, "web").conditions?.some(({ reason }) => reason === "ProgressDeadlineExceeded") ?? false,
  );
  const condition = statusOf(all, "web").conditions?.find(({ type }) => type === "Progressing");
  assert.match(condition?.message ?? "", /^ReplicaSet "web-[a-z0-9]+" has timed out progressing\.$/);
  assert.equal(condition?.status, "False");
});
