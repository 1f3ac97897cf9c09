// Several servers, one set of controllers: who leads, who takes over, and what the queues count.
import assert from "node:assert/strict";
import { test } from "node:test";
import { virtualClock } from "../../src/base/clock.ts";
import { silentLogger } from "../../src/base/logger.ts";
import { seededRandom } from "../../src/base/random.ts";
import { RESOURCES } from "../../src/formats/kube-resources.ts";
import type { KubeClient } from "../../src/kube-client/client.ts";
import { queueMetrics } from "../../src/kube-client/queue-metrics.ts";
import { startElectedControllers } from "../../src/kube-control/elected-controllers.ts";
import { createCluster } from "../../src/main/create-cluster.ts";
import { deployment } from "./support/cluster.ts";
import { faultyClient, type Faults } from "./support/faulty-client.ts";
import { advanceUntil } from "./support/virtual-time.ts";

const CUT_OFF: Faults = {
  lostRequest: 1,
  lostAnswer: 0,
  late: 0,
  lateMs: 0,
  brokenWatch: 1,
  goneWatch: 0,
  twice: 0,
};

test("of two servers one runs the controllers; the other takes over when it stops or is cut off", async (t) => {
  const clock = virtualClock();
  const random = seededRandom(7);
  const cluster = await createCluster({ clock, random, controllers: [], scheduler: false });
  t.after(() => cluster.close());
  const cut = new Set<string>();
  const metrics = queueMetrics(clock);
  const server = (identity: string) => {
    const client: KubeClient = faultyClient(cluster.client, clock, random, CUT_OFF, () => cut.has(identity));
    const { discovery } = cluster;
    return startElectedControllers({ client, discovery, clock, random, logger: silentLogger, identity, metrics });
  };
  const first = server("first");
  await advanceUntil(clock, "first leads", () => first.leading, 10_000);
  const second = server("second");
  const third = server("third");
  const all = [first, second, third];
  const leaders = (): number => all.filter(({ leading }) => leading).length;
  const sets = cluster.informers.informer(RESOURCES.replicasets);
  await sets.whenSynced();
  const works = async (name: string): Promise<void> => {
    await cluster.client.create(RESOURCES.deployments, deployment(name, 1));
    const made = (): boolean => Array.from(sets.cache.values()).some(({ metadata }) => metadata.name?.startsWith(name));
    await advanceUntil(clock, `${name} is made`, made, 60_000);
  };
  await works("one");
  assert.ok(first.leading && leaders() === 1);
  // Handed over: no lease has to run out.
  const stoppedAt = clock.now();
  await first.stop();
  await advanceUntil(clock, "another leads", () => leaders() === 1, 10_000);
  assert.ok(clock.now() - stoppedAt < 5000);
  await works("two");
  const leader = second.leading ? "second" : "third";
  cut.add(leader);
  let most = 0;
  const other = leader === "second" ? third : second;
  await advanceUntil(
    clock,
    "the other leads",
    () => {
      most = Math.max(most, leaders());
      return other.leading;
    },
    60_000,
  );
  assert.equal(most, 1, "never two at once");
  await works("three");
  const text = metrics.text();
  assert.match(text, /workqueue_adds_total\{name="deployment-controller"\} [1-9]/);
  assert.match(text, /workqueue_depth\{name="deployment-controller"\} 0/);
  assert.match(text, /workqueue_work_duration_seconds_count\{name="replicaset-controller"\} [1-9]/);
  cut.clear();
  let stopped = false;
  const stopping = Promise.all([second.stop(), third.stop()]).then(() => (stopped = true));
  await advanceUntil(clock, "stopped", () => stopped, 60_000);
  await stopping;
});
