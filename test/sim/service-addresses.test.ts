// Ranges of service addresses and the IPAddress objects of services.
import assert from "node:assert/strict";
import { test } from "node:test";
import { virtualClock } from "../../src/base/clock.ts";
import { RESOURCES } from "../../src/formats/kube-resources.ts";
import type { Service } from "../../src/formats/kube-types.generated.ts";
import { createCluster } from "../../src/main/create-cluster.ts";
import { advanceUntil, settle } from "./support/virtual-time.ts";

const service = (name: string, clusterIP?: string): Service => ({
  metadata: { name, namespace: "default" },
  spec: { ports: [{ port: 80 }], ...(clusterIP === undefined ? {} : { clusterIP }) },
});

test("a service's address is an object, and a range goes only when no address needs it", async (t) => {
  const clock = virtualClock();
  const cluster = await createCluster({ clock, scheduler: false });
  t.after(() => cluster.close());
  const { client, informers } = cluster;
  const ranges = informers.informer(RESOURCES.servicecidrs);
  const addresses = informers.informer(RESOURCES.ipaddresses);
  const ready = (name: string) => ranges.cache.get(name)?.status?.conditions?.find(({ type }) => type === "Ready");
  await advanceUntil(clock, "own range", () => ready("kubernetes")?.status === "True", 1000);
  await assert.rejects(client.create(RESOURCES.services, service("far", "10.200.0.9")), /not in the valid range/);
  await client.create(RESOURCES.servicecidrs, { metadata: { name: "more" }, spec: { cidrs: ["10.200.0.0/24"] } });
  await advanceUntil(clock, "ready", () => ready("more")?.status === "True", 1000);
  await client.create(RESOURCES.services, service("far", "10.200.0.9"));
  await client.create(RESOURCES.services, service("near"));
  await advanceUntil(clock, "an address", () => addresses.cache.get("10.200.0.9") !== undefined, 1000);
  const made = addresses.cache.get("10.200.0.9");
  assert.deepEqual(made?.spec?.parentRef, { resource: "services", namespace: "default", name: "far" });
  assert.equal(made?.metadata.labels?.["ipaddress.kubernetes.io/managed-by"], "ipallocator.k8s.io");
  await client.delete(RESOURCES.servicecidrs, undefined, "more");
  await advanceUntil(clock, "terminating", () => ready("more")?.reason === "Terminating", 1000);
  await assert.rejects(client.create(RESOURCES.services, service("late", "10.200.0.10")), /not in the valid range/);
  await clock.advance(60_000);
  assert.ok(ranges.cache.get("more") !== undefined);
  await client.delete(RESOURCES.services, "default", "far");
  await advanceUntil(clock, "gone", () => ranges.cache.get("more") === undefined, 30_000);
  assert.equal(addresses.cache.get("10.200.0.9"), undefined);
});

test("addresses without a service are removed, those of others are left, and lost ones come back", async (t) => {
  const clock = virtualClock();
  const cluster = await createCluster({ clock, scheduler: false });
  t.after(() => cluster.close());
  const { client, informers } = cluster;
  const addresses = informers.informer(RESOURCES.ipaddresses);
  const { spec } = await client.create(RESOURCES.services, service("web"));
  const own = spec?.clusterIP ?? "";
  await advanceUntil(clock, "an address", () => addresses.cache.get(own) !== undefined, 1000);
  const stray = (name: string, labels: Record<string, string>) => ({
    metadata: { name, labels },
    spec: { parentRef: { resource: "services", namespace: "default", name: "none" } },
  });
  const managed = { "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io" };
  await client.create(RESOURCES.ipaddresses, stray("10.96.9.9", managed));
  await client.create(RESOURCES.ipaddresses, stray("10.96.9.10", {}));
  await advanceUntil(clock, "stray gone", () => addresses.cache.get("10.96.9.9") === undefined, 1000);
  await client.delete(RESOURCES.ipaddresses, undefined, own);
  await settle();
  await advanceUntil(clock, "back", () => addresses.cache.get(own) !== undefined, 1000);
  assert.ok(addresses.cache.get("10.96.9.10") !== undefined);
});
