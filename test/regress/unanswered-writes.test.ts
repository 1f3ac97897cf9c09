// A write whose answer was lost and that the cache does not show yet was forgotten: a daemon set made two pods for one node, a deployment went past its surge.
import assert from "node:assert/strict";
import { test } from "node:test";
import { virtualClock } from "../../src/base/clock.ts";
import { GantryError } from "../../src/base/errors.ts";
import { silentLogger } from "../../src/base/logger.ts";
import { seededRandom } from "../../src/base/random.ts";
import { objectKey, type KubeObject, type Typed } from "../../src/formats/kube-object.ts";
import { RESOURCES } from "../../src/formats/kube-resources.ts";
import type { Pod, ReplicaSet } from "../../src/formats/kube-types.generated.ts";
import type { KubeClient, WatchEvent, WatchOptions } from "../../src/kube-client/client.ts";
import { eventRecorder } from "../../src/kube-client/events.ts";
import { startControllers } from "../../src/kube-control/controllers.ts";
import { expectations } from "../../src/kube-control/controllers/shared/expectations.ts";
import { podControl } from "../../src/kube-control/controllers/shared/pod-control.ts";
import { createCluster } from "../../src/main/create-cluster.ts";
import { deployment } from "../sim/support/cluster.ts";
import { advanceUntil, settle } from "../sim/support/virtual-time.ts";

const lost = (): never => {
  throw new GantryError("unavailable", "answer lost");
};

test("a plan made before an unanswered pod showed does not make a second one", async (t) => {
  const clock = virtualClock();
  const cluster = await createCluster({ clock, scheduler: false, controllers: [] });
  t.after(() => cluster.close());
  let losing = true;
  const client: KubeClient = {
    ...cluster.client,
    create: async (resource, object, options) => {
      const made = await cluster.client.create(resource, object, options);
      return losing && resource.resource === "pods" ? lost() : made;
    },
  };
  const pods = cluster.informers.informer(RESOURCES.pods);
  const owner = await cluster.client.create(RESOURCES.configmaps, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "owner", namespace: "default" },
  });
  const events = eventRecorder({ client, clock, logger: silentLogger, component: "test" });
  t.after(() => events.stop());
  const random = seededRandom(1);
  const control = podControl({ client, events, random, expected: expectations<Pod>(pods, objectKey), pods });
  const pod: Pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { generateName: "agent-", namespace: "default" },
    spec: { containers: [{ name: "c", image: "x" }] },
  };
  const create = (): Promise<void> => control.create("default/agent", owner, pod, "node-1");
  control.observed("default/agent");
  await assert.rejects(create(), /answer lost/);
  losing = false;
  await settle();
  assert.equal(Array.from(pods.cache.values()).length, 1);
  await create();
  await settle();
  assert.equal(Array.from(pods.cache.values()).length, 1, "one pod for the slot");
  control.observed("default/agent");
  await create();
  await settle();
  assert.equal(Array.from(pods.cache.values()).length, 2, "another when the first is counted");
});

test("a deployment knows a size it gave without an answer before it makes the next replica set", async (t) => {
  const clock = virtualClock();
  const cluster = await createCluster({ clock, scheduler: false, controllers: [] });
  t.after(() => cluster.close());
  const held = Promise.withResolvers<void>();
  let losing = false;
  async function* watch<T extends KubeObject>(
    resource: Typed<T>,
    options: WatchOptions,
  ): AsyncGenerator<WatchEvent<T>> {
    for await (const event of cluster.client.watch(resource, options)) {
      if (losing && resource.resource === "replicasets") await held.promise;
      yield event;
    }
  }
  const client: KubeClient = {
    ...cluster.client,
    watch,
    update: async (resource, object, subresource) => {
      const written = await cluster.client.update(resource, object, subresource);
      const grown = subresource === undefined && (object as ReplicaSet).spec?.replicas === 3;
      if (resource.resource !== "replicasets" || !grown) return written;
      losing = true;
      return lost();
    },
  };
  const controllers = startControllers({
    client,
    discovery: cluster.discovery,
    clock,
    logger: silentLogger,
    random: seededRandom(1),
    which: ["deployment-controller", "replicaset-controller"],
  });
  t.after(() => controllers.stop());
  await controllers.started;
  const sets = cluster.informers.informer(RESOURCES.replicasets);
  const sizes = (): number[] => Array.from(sets.cache.values(), ({ spec }) => spec?.replicas ?? 0).sort();
  await sets.whenSynced();
  const strategy = { type: "RollingUpdate", rollingUpdate: { maxSurge: 2, maxUnavailable: 1 } };
  await cluster.client.create(RESOURCES.deployments, deployment("web", 6, { strategy }));
  await advanceUntil(clock, "the first replica set", () => sizes().join() === "6");
  const roll = (image: string) => {
    const body = { spec: { template: { spec: { containers: [{ name: "main", image }] } } } };
    return cluster.client.patch(RESOURCES.deployments, "default", "web", { type: "strategic", body });
  };
  // Its pods never get ready: the first shrinks by the one that may be missing, and the second grows to 3 in its place.
  await roll("example:2");
  await advanceUntil(clock, "the unanswered size", () => losing && sizes().join() === "3,5");
  await roll("example:3");
  for (let second = 0; second < 30; second++) {
    await clock.advance(1000);
    await settle();
  }
  assert.deepEqual(sizes(), [3, 5], "nothing is made while its own last write is not to be seen");
  losing = false;
  held.resolve();
  await advanceUntil(clock, "the third replica set", () => sizes().length === 3);
  const sum = sizes().reduce((total, size) => total + size, 0);
  assert.ok(sum <= 8, `${sizes().join(" and ")} pods where 8 are the most`);
});
