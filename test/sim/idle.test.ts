// An idle cluster does nothing: no writes, no timers but deadlines.
import assert from "node:assert/strict";
import { test } from "node:test";
import { virtualClock } from "../../src/base/clock.ts";
import { RESOURCES } from "../../src/formats/kube-resources.ts";
import { createCluster } from "../../src/main/create-cluster.ts";
import { deployment } from "./support/cluster.ts";
import { advanceUntil, settle } from "./support/virtual-time.ts";

test("an empty cluster sets no timer at all", async (t) => {
  const clock = virtualClock();
  const cluster = await createCluster({ clock });
  t.after(() => cluster.close());
  await settle(100);
  assert.equal(clock.nextDeadline(), undefined);
});

test("a running deployment, a service and an unschedulable pod cost nothing but heartbeats", async (t) => {
  const clock = virtualClock();
  const cluster = await createCluster({ clock, nodes: 2 });
  t.after(() => cluster.close());
  const { client } = cluster;
  await client.create(RESOURCES.deployments, deployment("web", 2));
  await client.create(RESOURCES.services, {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web", namespace: "default" },
    spec: { selector: { app: "web" }, ports: [{ port: 80 }] },
  });
  await client.create(RESOURCES.pods, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "huge", namespace: "default" },
    spec: { containers: [{ name: "c", image: "x", resources: { requests: { cpu: "1000" } } }] },
  });
  const deployments = cluster.informers.informer(RESOURCES.deployments);
  await advanceUntil(
    clock,
    "available",
    () => Array.from(deployments.cache.values())[0]?.status?.availableReplicas === 2,
  );
  await clock.advance(700_000);
  const resources = (await cluster.discovery.resources()).filter(
    ({ verbs, resource }) => verbs.includes("watch") && !["leases", "events"].includes(resource),
  );
  const revisions = async (): Promise<string[]> =>
    (await Promise.all(resources.map((resource) => client.list(resource)))).flatMap(({ items }) =>
      items.map(
        ({ metadata }) => `${metadata.namespace ?? ""}/${metadata.name ?? ""}@${metadata.resourceVersion ?? ""}`,
      ),
    );
  // The events of a pod that is tried again every five minutes are counted up; nothing else is written.
  const before = await revisions();
  // Between two heartbeats of the nodes, every ten seconds, nothing wakes up.
  const gaps: number[] = [];
  const start = clock.now();
  while (clock.now() - start < 250_000) {
    const next = clock.nextDeadline() ?? 0;
    if (next > clock.now()) gaps.push(next - clock.now());
    await clock.advance(next - clock.now());
    await settle();
  }
  const changed = (await revisions()).filter((each) => !before.includes(each));
  assert.deepEqual(changed, []);
  // Two nodes, each every ten seconds in its own rhythm, and a deadline or two.
  assert.ok(gaps.length <= 54, `${gaps.length} wakeups in 250 s: ${gaps.join()}`);
});
