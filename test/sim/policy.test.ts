// Disruption budgets, load balancer addresses and aggregated roles.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RESOURCES } from "../../src/formats/kube-resources.ts";
import type { PodDisruptionBudget, PodDisruptionBudgetSpec } from "../../src/formats/kube-types.generated.ts";
import { clusterFor, deployment, until } from "./support/cluster.ts";

function budget(spec: Partial<PodDisruptionBudgetSpec>): PodDisruptionBudget {
  return {
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: { name: "web", namespace: "default" },
    spec: { selector: { matchLabels: { app: "web" } }, ...spec },
  };
}

test("a budget allows as many evictions as leave enough pods well, one after the other", async (t) => {
  const cluster = await clusterFor(t, { nodes: 2 });
  const { client } = cluster;
  await client.create(RESOURCES.deployments, deployment("web", 4));
  await client.create(RESOURCES.poddisruptionbudgets, budget({ maxUnavailable: "25%" }));
  const allowed = (count: number) =>
    until(
      cluster,
      RESOURCES.poddisruptionbudgets,
      `${count} allowed`,
      ([each]) => each?.status?.disruptionsAllowed === count && each.status.expectedPods === 4,
    );
  const [ready] = await allowed(1);
  assert.deepEqual([ready?.status?.currentHealthy, ready?.status?.desiredHealthy], [4, 3]);
  assert.equal(ready?.status?.conditions?.[0]?.reason, "SufficientPods");
  const pods = (await client.list(RESOURCES.pods, { namespace: "default" })).items.filter(
    ({ metadata }) => metadata.labels?.["app"] === "web",
  );
  const evict = (name = "") =>
    client.post(RESOURCES.pods, "default", name, "eviction", {
      apiVersion: "policy/v1",
      kind: "Eviction",
      metadata: { name, namespace: "default" },
    });
  await client.patch(RESOURCES.deployments, "default", "web", { type: "merge", body: { spec: { paused: true } } });
  await evict(pods[0]?.metadata.name);
  await assert.rejects(evict(pods[1]?.metadata.name), { code: "too-many-requests" });
  await allowed(1);
});

test("minAvailable as a number counts the pods that are there; without pods nothing may go", async (t) => {
  const cluster = await clusterFor(t, { nodes: 1 });
  await cluster.client.create(RESOURCES.poddisruptionbudgets, budget({ minAvailable: 1 }));
  const [none] = await until(
    cluster,
    RESOURCES.poddisruptionbudgets,
    "status",
    ([each]) => each?.status?.observedGeneration === 1,
  );
  assert.deepEqual([none?.status?.disruptionsAllowed, none?.status?.expectedPods], [0, 0]);
  await cluster.client.create(RESOURCES.deployments, deployment("web", 3));
  await until(cluster, RESOURCES.poddisruptionbudgets, "2 allowed", ([each]) => each?.status?.disruptionsAllowed === 2);
});

test("a LoadBalancer service gets the nodes' addresses, and gives them back", async (t) => {
  const cluster = await clusterFor(t, { nodes: 2 });
  const spec = { type: "LoadBalancer", selector: { app: "web" }, ports: [{ port: 80 }] };
  await cluster.client.create(RESOURCES.services, {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web", namespace: "default" },
    spec,
  });
  const of =
    (name: string) =>
    (all: readonly { metadata: { name?: string }; status?: { loadBalancer?: { ingress?: { ip?: string }[] } } }[]) =>
      all
        .find(({ metadata }) => metadata.name === name)
        ?.status?.loadBalancer?.ingress?.map(({ ip }) => ip)
        .join() ?? "";
  await until(cluster, RESOURCES.services, "addresses", (all) => of("web")(all) === "172.31.0.0,172.31.0.1");
  await cluster.client.patch(RESOURCES.services, "default", "web", {
    type: "merge",
    body: { spec: { type: "ClusterIP", externalTrafficPolicy: null, allocateLoadBalancerNodePorts: null } },
  });
  await until(cluster, RESOURCES.services, "no addresses", (all) => of("web")(all) === "");
});

test("an aggregated role follows the roles that it selects", async (t) => {
  const cluster = await clusterFor(t, { controllers: ["clusterrole-aggregation-controller"] });
  const { client } = cluster;
  const role = (name: string, more: object) =>
    client.create(RESOURCES.clusterroles, {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata: { name, labels: {} },
      ...more,
    } as never);
  await role("all", { aggregationRule: { clusterRoleSelectors: [{ matchLabels: { part: "yes" } }] }, rules: [] });
  await role("one", {
    metadata: { name: "one", labels: { part: "yes" } },
    rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["get"] }],
  });
  await until(
    cluster,
    RESOURCES.clusterroles,
    "pods",
    (all) => all.find(({ metadata }) => metadata.name === "all")?.rules?.[0]?.resources?.[0] === "pods",
  );
  await client.delete(RESOURCES.clusterroles, undefined, "one");
  await until(
    cluster,
    RESOURCES.clusterroles,
    "nothing",
    (all) => (all.find(({ metadata }) => metadata.name === "all")?.rules ?? []).length === 0,
  );
});

test("a quota's usage follows what there is", async (t) => {
  const cluster = await clusterFor(t, { nodes: 1 });
  const { client } = cluster;
  const hard = { pods: "10", "requests.cpu": "2", "count/deployments.apps": "5", configmaps: "20" };
  await client.create(RESOURCES.resourcequotas, {
    apiVersion: "v1",
    kind: "ResourceQuota",
    metadata: { name: "q", namespace: "default" },
    spec: { hard },
  });
  const resources = { requests: { cpu: "250m" } };
  const template = {
    metadata: { labels: { app: "web" } },
    spec: { containers: [{ name: "c", image: "x", resources }] },
  };
  await client.create(RESOURCES.deployments, deployment("web", 3, { template }));
  const used = (all: readonly { status?: { used?: Record<string, string> } }[]) => all[0]?.status?.used ?? {};
  await until(
    cluster,
    RESOURCES.resourcequotas,
    "3 pods",
    (all) =>
      used(all)["pods"] === "3" && used(all)["requests.cpu"] === "750m" && used(all)["count/deployments.apps"] === "1",
  );
  await client.delete(RESOURCES.deployments, "default", "web");
  await until(
    cluster,
    RESOURCES.resourcequotas,
    "nothing",
    (all) =>
      used(all)["pods"] === "0" && used(all)["requests.cpu"] === "0" && used(all)["count/deployments.apps"] === "0",
  );
});

test("endpoints made by hand for a service without a selector are mirrored", async (t) => {
  const cluster = await clusterFor(t, {
    controllers: ["endpointslice-mirroring-controller", "endpointslice-controller", "garbage-collector-controller"],
  });
  const { client } = cluster;
  await client.create(RESOURCES.services, {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "out", namespace: "default" },
    spec: { ports: [{ port: 80 }] },
  });
  const subsets = [
    {
      addresses: [{ ip: "192.0.2.1" }],
      notReadyAddresses: [{ ip: "192.0.2.2" }],
      ports: [{ port: 8080, protocol: "TCP" }],
    },
  ];
  await client.create(RESOURCES.endpoints, {
    apiVersion: "v1",
    kind: "Endpoints",
    metadata: { name: "out", namespace: "default" },
    subsets,
  });
  const ours = (
    all: readonly {
      metadata: { labels?: Record<string, string> };
      endpoints?: { addresses: string[]; conditions?: { ready?: boolean } }[];
    }[],
  ) => all.filter(({ metadata }) => metadata.labels?.["kubernetes.io/service-name"] === "out");
  const slices = await until(cluster, RESOURCES.endpointslices, "a mirror", (all) => ours(all).length === 1);
  assert.deepEqual(
    ours(slices)[0]?.endpoints?.map(({ addresses, conditions }) => [addresses[0], conditions?.ready]),
    [
      ["192.0.2.1", true],
      ["192.0.2.2", false],
    ],
  );
  await client.delete(RESOURCES.endpoints, "default", "out");
  await until(cluster, RESOURCES.endpointslices, "no mirror", (all) => ours(all).length === 0);
});
