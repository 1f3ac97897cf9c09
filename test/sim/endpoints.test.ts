import assert from "node:assert/strict";
import { test } from "node:test";
import { RESOURCES } from "../../src/formats/kube-resources.ts";
import type { EndpointSlice, Service, ServiceSpec } from "../../src/formats/kube-types.generated.ts";
import { clusterFor, deployment, pod, podSpec, until } from "./support/cluster.ts";

function service(name: string, spec: Partial<ServiceSpec> = {}): Service {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: "default", labels: { team: "a" } },
    spec: { selector: { app: name }, ports: [{ port: 80, targetPort: 8080, protocol: "TCP" }], ...spec },
  };
}

const endpointsIn = (slices: readonly EndpointSlice[]) => slices.flatMap((slice) => slice.endpoints ?? []);

test("a service's slices and endpoints follow its pods", async (t) => {
  const cluster = await clusterFor(t, { nodes: [{ name: "n1", labels: { "topology.kubernetes.io/zone": "z1" } }] });
  const { client } = cluster;
  await client.create(RESOURCES.services, service("web"));
  const [empty] = await until(cluster, RESOURCES.endpointslices, "an empty slice", (all) => all.length === 1);
  assert.deepEqual(endpointsIn([empty as EndpointSlice]), []);
  await client.create(RESOURCES.deployments, deployment("web", 2));
  const slices = await until(
    cluster,
    RESOURCES.endpointslices,
    "2 ready endpoints",
    (all) => endpointsIn(all).filter(({ conditions }) => conditions?.ready).length === 2,
  );
  assert.equal(slices.length, 1);
  const [slice] = slices;
  assert.equal(slice?.metadata.uid, empty?.metadata.uid, "the empty slice is filled");
  assert.deepEqual(slice?.ports, [{ name: "", port: 8080, protocol: "TCP" }]);
  assert.equal(slice?.metadata.labels?.["kubernetes.io/service-name"], "web");
  assert.equal(slice?.metadata.labels?.["team"], "a");
  const [first] = endpointsIn(slices);
  assert.deepEqual([first?.nodeName, first?.zone, first?.targetRef?.kind], ["n1", "z1", "Pod"]);

  const endpoints = await until(
    cluster,
    RESOURCES.endpoints,
    "2 addresses",
    (all) => all[0]?.subsets?.[0]?.addresses?.length === 2,
  );
  assert.deepEqual(endpoints[0]?.subsets?.[0]?.ports, [{ port: 8080, protocol: "TCP" }]);

  await client.patch(RESOURCES.deployments, "default", "web", { type: "merge", body: { spec: { replicas: 0 } } });
  await until(
    cluster,
    RESOURCES.endpointslices,
    "no endpoints",
    (all) => all.length === 1 && endpointsIn(all).length === 0,
  );
  await client.delete(RESOURCES.services, "default", "web");
  await until(cluster, RESOURCES.endpointslices, "no slices", (all) => all.length === 0);
  await until(cluster, RESOURCES.endpoints, "no endpoints object", (all) => all.length === 0);
});

test("pods that are not ready, or are ending, are listed but not served", async (t) => {
  const cluster = await clusterFor(t, { nodes: 1 });
  const { client } = cluster;
  const metadata = { labels: { app: "web" } };
  await client.create(RESOURCES.services, service("web"));
  await client.create(
    RESOURCES.pods,
    pod("never", {}, { ...metadata, annotations: { "simulated.gantry.dev/ready-ms": "never" } }),
  );
  await client.create(
    RESOURCES.pods,
    pod("slow", {}, { ...metadata, annotations: { "simulated.gantry.dev/stop-ms": "20000" } }),
  );
  await until(cluster, RESOURCES.endpointslices, "slow ready", (all) =>
    endpointsIn(all).some(({ conditions }) => conditions?.ready),
  );
  await client.delete(RESOURCES.pods, "default", "slow");
  const slices = await until(cluster, RESOURCES.endpointslices, "slow terminating", (all) =>
    endpointsIn(all).some(({ conditions }) => conditions?.terminating),
  );
  const of = (name: string) => endpointsIn(slices).find(({ targetRef }) => targetRef?.name === name)?.conditions;
  assert.deepEqual(of("never"), { ready: false, serving: false, terminating: false });
  assert.deepEqual(of("slow"), { ready: false, serving: true, terminating: true });
  const endpoints = await until(cluster, RESOURCES.endpoints, "only notReady left", (all) => {
    const [subset] = all[0]?.subsets ?? [];
    return (subset?.addresses?.length ?? 0) === 0 && subset?.notReadyAddresses?.length === 1;
  });
  assert.equal(endpoints[0]?.subsets?.[0]?.notReadyAddresses?.[0]?.targetRef?.name, "never");
});

test("a named port leads where each pod has it; headless services show host names", async (t) => {
  const cluster = await clusterFor(t, { nodes: 1 });
  const { client } = cluster;
  const ports = [{ port: 80, targetPort: "http", name: "web" }];
  await client.create(RESOURCES.services, service("db", { clusterIP: "None", ports }));
  for (const [name, containerPort] of [
    ["a", 8001],
    ["b", 8002],
  ] as const) {
    const spec = podSpec({
      hostname: name,
      subdomain: "db",
      containers: [{ name: "main", image: "x", ports: [{ name: "http", containerPort }] }],
    });
    await client.create(RESOURCES.pods, pod(name, spec, { labels: { app: "db" } }));
  }
  const slices = await until(
    cluster,
    RESOURCES.endpointslices,
    "two port groups",
    (all) => all.length === 2 && endpointsIn(all).length === 2,
  );
  const seen = slices.map(
    (slice) =>
      `${slice.endpoints?.[0]?.hostname ?? ""} ${slice.ports?.[0]?.name ?? ""} ${slice.ports?.[0]?.port ?? ""}`,
  );
  assert.deepEqual(seen.sort(), ["a web 8001", "b web 8002"]);
  assert.ok(slices.every(({ metadata }) => metadata.labels?.["service.kubernetes.io/headless"] === ""));
});

test("topology-mode Auto gives each zone endpoints in proportion to its processors", async (t) => {
  const zone = (name: string, of: string) => ({ name, labels: { "topology.kubernetes.io/zone": of } });
  const cluster = await clusterFor(t, { nodes: [zone("n1", "z1"), zone("n2", "z2")] });
  const { client } = cluster;
  const { metadata, ...rest } = service("web");
  const annotations = { "service.kubernetes.io/topology-mode": "Auto" };
  await client.create(RESOURCES.services, { ...rest, metadata: { ...metadata, annotations } });
  await client.create(RESOURCES.deployments, deployment("web", 4));
  const hinted = (all: readonly EndpointSlice[]) =>
    endpointsIn(all).flatMap(({ hints }) => hints?.forZones?.map(({ name }) => name) ?? []);
  const slices = await until(cluster, RESOURCES.endpointslices, "4 hints", (all) => hinted(all).length === 4);
  assert.deepEqual(hinted(slices).sort(), ["z1", "z1", "z2", "z2"]);
  // A node that does not tell its zone: nobody is sent anywhere in particular.
  await client.patch(RESOURCES.nodes, undefined, "n2", {
    type: "merge",
    body: { metadata: { labels: { "topology.kubernetes.io/zone": null } } },
  });
  await until(cluster, RESOURCES.endpointslices, "no hints", (all) => hinted(all).length === 0);
  const problem =
    "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes, addressType: IPv4";
  const events = await until(cluster, RESOURCES.events, "told why", (all) =>
    all.some(({ message }) => message === problem),
  );
  const told = events.filter(
    ({ involvedObject }) => involvedObject.name === "web" && involvedObject.kind === "Service",
  );
  assert.ok(told.some(({ type, reason }) => type === "Warning" && reason === "TopologyAwareHintsDisabled"));
  const enabled = told.filter(({ reason }) => reason === "TopologyAwareHintsEnabled");
  assert.deepEqual(
    enabled.map(({ message, count }) => [message, count]),
    [["Topology Aware Hints has been enabled, addressType: IPv4", 1]],
  );
});
