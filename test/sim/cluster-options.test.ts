// The options of createCluster: where its objects are, what is admitted, whose time it is, what goes wrong.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { virtualClock } from "../../src/base/clock.ts";
import { isGantryError } from "../../src/base/errors.ts";
import { seededRandom } from "../../src/base/random.ts";
import { RESOURCES } from "../../src/formats/kube-resources.ts";
import type { ConfigMap, Deployment } from "../../src/formats/kube-types.generated.ts";
import { httpsClient } from "../../src/kube-client/https-client.ts";
import { credentialsOf, readKubeconfigs } from "../../src/kube-client/kubeconfig-file.ts";
import { createCluster, type Cluster } from "../../src/main/create-cluster.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { writeFileSync } from "node:fs";
import { advanceUntil, settle } from "./support/virtual-time.ts";
import { clusterFor, deployment, pod, until } from "./support/cluster.ts";

const map = (name: string, value = "1"): ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "default" },
  data: { value },
});
const idle = { scheduler: false, controllers: [] } as const;

test("store: a file is gone on with, a given store stays the caller's", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "gantry-cluster-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "state.db");
  const first = await createCluster({ store: { file }, ...idle });
  await first.client.create(RESOURCES.configmaps, map("kept"));
  await first.close();
  const second = await clusterFor(t, { store: { file }, ...idle });
  assert.equal((await second.client.get(RESOURCES.configmaps, "default", "kept")).data?.["value"], "1");

  const store = memoryStore();
  const third = await createCluster({ store, ...idle });
  await third.client.create(RESOURCES.configmaps, map("mine"));
  await third.close();
  assert.ok(await store.get("/registry/configmaps/default/mine"));
  await store.close();
});

test("admission: plugins are named as controllers are", async (t) => {
  const without = await clusterFor(t, { admission: ["*", "-ServiceAccount", "-DefaultTolerationSeconds"], ...idle });
  const { spec } = await without.client.create(RESOURCES.pods, pod("p"));
  assert.deepEqual([spec?.serviceAccountName, spec?.tolerations, spec?.priority], [undefined, undefined, 0]);
  const none = await clusterFor(t, { admission: [], ...idle });
  const bare = await none.client.create(RESOURCES.pods, { ...pod("p"), metadata: { name: "p", namespace: "absent" } });
  assert.deepEqual([bare.spec?.priority, bare.metadata.namespace], [undefined, "absent"]);
  await assert.rejects(
    createCluster({ admission: ["*", "-ServicAccount"] }),
    (error) => isGantryError(error, "invalid") && /no admission plugin is called -ServicAccount/.test(error.message),
  );
});

test("clock: nothing happens by itself on virtual time", async (t) => {
  const clock = virtualClock();
  const cluster = await clusterFor(t, {
    clock,
    controllers: ["job-controller", "ttl-after-finished-controller", "garbage-collector-controller"],
    nodes: 1,
  });
  const job = {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: "j", namespace: "default" },
    spec: {
      ttlSecondsAfterFinished: 3600,
      template: { spec: { restartPolicy: "Never", containers: [{ name: "c", image: "i" }] } },
    },
  };
  await cluster.client.create(RESOURCES.jobs, job as never);
  const before = clock.now();
  const informer = cluster.informers.informer(RESOURCES.jobs);
  await informer.whenSynced();
  await advanceUntil(clock, "the end of the job", () => informer.cache.size === 0, 7_200_000);
  const passedMs = clock.now() - before;
  assert.ok(passedMs >= 3_600_000, `the job went after ${passedMs} ms`);
});

test("faults: conflicts, losses, lateness and restarts come from a seed, and all comes right in the end", async (t) => {
  const faults = {
    conflicts: 0.1,
    lostRequests: 0.05,
    lostAnswers: 0.05,
    lateEvents: 0.2,
    lateMs: 2000,
    droppedEvents: 0.1,
    goneWatches: 0.2,
    restartsEveryMs: 20_000,
  };
  const clock = virtualClock();
  const cluster = await clusterFor(t, {
    clock,
    random: seededRandom(7),
    faults,
    nodes: 2,
    controllers: ["deployment-controller", "replicaset-controller", "garbage-collector-controller"],
  });
  const wanted = deployment("web", 5);
  const insist = async (run: () => Promise<unknown>): Promise<void> => {
    for (let tries = 0; tries < 50; tries++) {
      try {
        await run();
        return;
      } catch (error) {
        if (isGantryError(error, "already-exists")) return;
        await clock.advance(1000);
      }
    }
    assert.fail("no request got through");
  };
  await insist(() => cluster.client.create(RESOURCES.deployments, wanted));
  for (let seconds = 0; seconds < 120; seconds++) {
    await clock.advance(1000);
    await settle(5);
  }
  const { happened } = cluster.faults;
  for (const kind of ["conflicts", "lostRequests", "lostAnswers", "lateEvents", "droppedEvents"] as const)
    assert.ok(happened[kind] > 0, `no ${kind} in ${JSON.stringify(happened)}`);
  cluster.faults.set(false);
  await advanceUntil(clock, "five ready pods", () => readyOf(cluster) === 5);
  assert.equal((await cluster.client.list(RESOURCES.pods)).items.length, 5);
});

function readyOf(cluster: Cluster): number {
  const found: Deployment | undefined = cluster.informers.informer(RESOURCES.deployments).cache.get("default/web");
  return found?.status?.readyReplicas ?? 0;
}

test("restart: watches end, clients in the process and outside go on with the same objects", async (t) => {
  const cluster = await clusterFor(t, { ...idle, listen: true });
  const folder = mkdtempSync(join(tmpdir(), "gantry-cluster-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "config"), cluster.kubeconfig ?? "", { mode: 0o600 });
  const outside = httpsClient(await credentialsOf(await readKubeconfigs([join(folder, "config")])));
  await outside.create(RESOURCES.configmaps, map("a"));
  await until(cluster, RESOURCES.configmaps, "a", (maps) => maps.some(({ metadata }) => metadata.name === "a"));
  const ended = new AbortController();
  const watch = (async () => {
    const { resourceVersion } = await cluster.client.list(RESOURCES.configmaps);
    for await (const _ of cluster.client.watch(RESOURCES.configmaps, { resourceVersion, signal: ended.signal }));
  })();
  await settle();
  await cluster.restart();
  await watch;
  // A connection that was open before is found closed by who uses it first.
  await outside.create(RESOURCES.configmaps, map("b")).catch(() => outside.create(RESOURCES.configmaps, map("b")));
  const seen = await until(cluster, RESOURCES.configmaps, "a and b", (maps) =>
    ["a", "b"].every((name) => maps.some(({ metadata }) => metadata.name === name)),
  );
  assert.ok(seen.length >= 2);
});
