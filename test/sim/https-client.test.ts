// The HTTPS client, and control plane components over it, against a served cluster.
import assert from "node:assert/strict";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { silentLogger } from "../../src/base/logger.ts";
import { RESOURCES } from "../../src/formats/kube-resources.ts";
import type { ConfigMap } from "../../src/formats/kube-types.generated.ts";
import type { WatchEvent } from "../../src/kube-client/client.ts";
import { httpsClient, type HttpsClient } from "../../src/kube-client/https-client.ts";
import { credentialsOf } from "../../src/kube-client/kubeconfig-file.ts";
import { parseKubeconfig } from "../../src/kube-client/kubeconfig.ts";
import { startControllers } from "../../src/kube-control/controllers.ts";
import { startScheduler } from "../../src/kube-control/scheduler.ts";
import { clusterCertificates } from "../../src/kube-api/certificates.ts";
import type { Cluster, ClusterOptions } from "../../src/main/create-cluster.ts";
import { clusterFor, deployment, until } from "./support/cluster.ts";

async function served(
  t: TestContext,
  options: ClusterOptions = {},
): Promise<{ cluster: Cluster; client: HttpsClient }> {
  const cluster = await clusterFor(t, { ...options, listen: true });
  const client = httpsClient(await credentialsOf(parseKubeconfig(cluster.kubeconfig ?? "")));
  t.after(() => client.close());
  return { cluster, client };
}

function configMap(name: string): ConfigMap {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: "default", labels: { app: "x" } },
    data: { a: "1" },
  };
}

test("objects are made, read, changed, listed and deleted; lists say what their items are", async (t) => {
  const { client } = await served(t, { controllers: [], scheduler: false });
  const made = await client.create(RESOURCES.configmaps, configMap("a"));
  assert.ok(made.metadata.uid);
  await client.update(RESOURCES.configmaps, { ...made, data: { a: "2" } });
  await client.patch(RESOURCES.configmaps, "default", "a", { type: "merge", body: { data: { b: "3" } } });
  await client.patch(RESOURCES.configmaps, "default", "a", {
    type: "json",
    body: [{ op: "add", path: "/data/c", value: "4" }],
  });
  const apply = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" }, data: { d: "5" } };
  await client.patch(RESOURCES.configmaps, "default", "a", { type: "apply", body: apply, fieldManager: "tester" });
  const list = await client.list(RESOURCES.configmaps, { namespace: "default", labelSelector: "app=x" });
  assert.deepEqual(
    list.items.map(({ apiVersion, kind, data }) => ({ apiVersion, kind, data })),
    [{ apiVersion: "v1", kind: "ConfigMap", data: { a: "2", b: "3", c: "4", d: "5" } }],
  );
  await client.delete(RESOURCES.configmaps, "default", "a");
  await assert.rejects(client.get(RESOURCES.configmaps, "default", "a"), {
    code: "not-found",
    message: 'configmaps "a" not found',
  });
  const first = await client.list(RESOURCES.clusterroles, { limit: 2 });
  assert.equal(first.items.length, 2);
  assert.ok(first.continue);
  const next = await client.list(RESOURCES.clusterroles, { limit: 2, continue: first.continue });
  assert.notEqual(next.items[0]?.metadata.name, first.items[0]?.metadata.name);
});

test("refusals carry their code and Status", async (t) => {
  const { client } = await served(t, { controllers: [], scheduler: false });
  const made = await client.create(RESOURCES.configmaps, configMap("a"));
  await assert.rejects(client.create(RESOURCES.configmaps, configMap("a")), { code: "already-exists" });
  await client.update(RESOURCES.configmaps, { ...made, data: { a: "2" } });
  await assert.rejects(client.update(RESOURCES.configmaps, { ...made, data: { a: "3" } }), { code: "conflict" });
  await assert.rejects(
    client.create(RESOURCES.configmaps, configMap("NO")),
    (error: { code: string; details: { status: { reason: string } } }) => {
      assert.deepEqual([error.code, error.details.status.reason], ["invalid", "Invalid"]);
      return true;
    },
  );
});

test("a watch tells of changes, ends when told to, and says when it is too late", async (t) => {
  const { client } = await served(t, { controllers: [], scheduler: false });
  const { resourceVersion } = await client.list(RESOURCES.configmaps);
  const stop = new AbortController();
  const seen: string[] = [];
  const reading = (async (): Promise<void> => {
    for await (const event of client.watch(RESOURCES.configmaps, {
      resourceVersion,
      namespace: "default",
      signal: stop.signal,
    })) {
      seen.push(describe(event));
      if (seen.length === 3) stop.abort();
    }
  })();
  const made = await client.create(RESOURCES.configmaps, configMap("a"));
  await client.update(RESOURCES.configmaps, { ...made, data: { a: "x".repeat(200_000) } });
  await client.delete(RESOURCES.configmaps, "default", "a");
  await reading;
  assert.deepEqual(seen, ["ADDED a 1", "MODIFIED a 200000", "DELETED a 200000"]);
});

function describe(event: WatchEvent<ConfigMap>): string {
  if (event.type === "BOOKMARK") return "BOOKMARK";
  const value = event.object.data?.["a"] ?? "";
  return `${event.type} ${event.object.metadata.name ?? ""} ${value.length > 9 ? value.length : value}`;
}

test("discovery finds every resource once, in its preferred version", async (t) => {
  const { client } = await served(t, { controllers: [], scheduler: false });
  const resources = await client.resources();
  const named = (name: string) =>
    resources.filter(({ resource }) => resource === name).map(({ group, version }) => `${group}/${version}`);
  assert.deepEqual(named("pods"), ["/v1"]);
  assert.deepEqual(named("deployments"), ["apps/v1"]);
  assert.ok(resources.every(({ resource }) => !resource.includes("/")));
});

test("scheduler and controllers work over HTTPS as they do in process", async (t) => {
  const { cluster, client } = await served(t, { nodes: 2, controllers: [], scheduler: false });
  const parts = { client, discovery: client, clock: systemClock, logger: silentLogger };
  const scheduler = startScheduler(parts);
  const controllers = startControllers(parts);
  t.after(() => Promise.all([scheduler.stop(), controllers.stop()]));
  await Promise.all([scheduler.started, controllers.started]);
  await cluster.client.create(RESOURCES.deployments, deployment("web", 5));
  await until(cluster, RESOURCES.deployments, "5 available", (all) => all[0]?.status?.availableReplicas === 5);
  await cluster.client.delete(RESOURCES.deployments, "default", "web");
  await until(cluster, RESOURCES.pods, "no pods", (all) => all.length === 0);
});

test("a redirect is not followed: it would take the credentials along", async (t) => {
  const { server } = clusterCertificates({ names: [], clusterDomain: "cluster.local", clock: systemClock });
  let asked = 0;
  const elsewhere = createServer({ key: server.key, cert: server.cert }, (_, response) => {
    asked++;
    response.writeHead(302, { location: "https://example.com/" }).end("moved");
  });
  await new Promise<void>((resolve) => elsewhere.listen(0, "127.0.0.1", resolve));
  t.after(() => elsewhere.close());
  const { port } = elsewhere.address() as AddressInfo;
  const client = httpsClient({ server: `https://127.0.0.1:${port}`, insecure: true, token: "secret" });
  t.after(() => client.close());
  await assert.rejects(client.get(RESOURCES.pods, "default", "a"), { message: "the API answered 302: moved" });
  assert.equal(asked, 1);
});

test("a server whose certificate nobody vouches for, and one that is not there, are unavailable", async (t) => {
  const { cluster } = await served(t, { controllers: [], scheduler: false });
  const stranger = httpsClient({ server: cluster.url ?? "" });
  t.after(() => stranger.close());
  await assert.rejects(stranger.get(RESOURCES.pods, "default", "a"), { code: "unavailable" });
  const nowhere = httpsClient({ server: "https://127.0.0.1:1" });
  t.after(() => nowhere.close());
  await assert.rejects(nowhere.get(RESOURCES.pods, "default", "a"), { code: "unavailable", message: /ECONNREFUSED/ });
  assert.throws(() => httpsClient({ server: "http://127.0.0.1" }), { code: "unsupported" });
});
