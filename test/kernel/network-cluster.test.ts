import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { systemClock } from "#base/clock.ts";
import { silentLogger } from "#base/logger.ts";
import { systemRandom } from "#base/random.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { EndpointSlice, Service } from "#formats/kube-types.generated.ts";
import { DNS_SERVICE, startClusterDns, type ClusterDns } from "#kube-node/cluster-dns.ts";
import { startProxy, type Proxy } from "#kube-node/proxy.ts";
import { createCluster, type Cluster } from "#main/create-cluster.ts";
import { encodeAnswer, openDnsSockets, serveDns } from "#network/dns-service.ts";
import type { Networks } from "#network/networks.ts";
import { ensurePodNetwork } from "#network/pod-network.ts";
import { dial, enterFreshHost, greet } from "#test/isolated-network.ts";
import { ask, closeLabs, makeContainer, openLab, tempDir } from "#test/network-lab.ts";

let cluster: Cluster;
let networks: Networks;
let podNetwork = "";
let dns: ClusterDns;
let proxy: Proxy;
const asked: string[] = [];
const parts = { clock: systemClock, random: systemRandom, logger: silentLogger };

before(async () => {
  await enterFreshHost();
  networks = await openLab(tempDir());
  const options = { podCidr: "10.244.0.0/24", clusterCidrs: ["10.244.0.0/16", "10.96.0.0/16"], bridgeName: "pods0" };
  podNetwork = (await ensurePodNetwork(networks, options)).id;
  cluster = await createCluster({ controllers: [], scheduler: false });
  const upstream = serveDns(
    openDnsSockets({ address: "127.0.0.1", port: 0 }),
    async (query) => {
      asked.push(query.name);
      return encodeAnswer(query, { answers: [{ type: "A", name: query.name, ttl: 60, data: "198.51.100.7" }] });
    },
    silentLogger,
  );
  const { client, informers } = cluster;
  dns = await startClusterDns({
    client,
    informers,
    clusterDomain: "cluster.local",
    clusterDns: "10.96.0.10",
    listenAddress: "10.244.0.1",
    upstreams: () => [`127.0.0.1#${upstream.port}`],
    ...parts,
  });
  proxy = await startProxy({
    informers,
    nodeName: "here",
    instance: "",
    podRanges: ["10.244.0.0/16"],
    hostRoutes: [{ range: "10.96.0.0/16", bridge: "pods0" }],
    ownEndpoints: new Map([[DNS_SERVICE, dns.endpoint]]),
    ...parts,
  });
});
after(async () => {
  proxy.remove();
  proxy.close();
  dns.close();
  await cluster.close();
  await closeLabs();
});

const until = async (what: string, check: () => Promise<boolean>): Promise<void> => {
  for (let tries = 0; tries < 100; tries++) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail(`never: ${what}`);
};

const sliceOf = (service: string, addresses: readonly string[]): EndpointSlice => ({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: { namespace: "default", name: `${service}-1`, labels: { "kubernetes.io/service-name": service } },
  addressType: "IPv4",
  ports: [{ name: "", port: 8080, protocol: "TCP" }],
  endpoints: addresses.map((address) => ({ addresses: [address], nodeName: "here" })),
});
const webService: Service = {
  apiVersion: "v1",
  kind: "Service",
  metadata: { namespace: "default", name: "web" },
  spec: { clusterIP: "10.96.1.1", ports: [{ port: 80 }] },
};

test("a pod finds a service by name and reaches it, and follows its endpoints", async () => {
  const { client } = cluster;
  const [a, b, pod] = [
    await makeContainer(networks, "a", { networkId: podNetwork }),
    await makeContainer(networks, "b", { networkId: podNetwork }),
    await makeContainer(networks, "pod", { networkId: podNetwork }),
  ];
  greet(a.pid, "0.0.0.0", 8080, "a");
  greet(b.pid, "0.0.0.0", 8080, "b");
  await client.create(RESOURCES.services, webService);
  const slice = await client.create(RESOURCES.endpointslices, sliceOf("web", [a.endpoint.ipv4]));
  const at = { address: "10.96.0.10" };
  await until(
    "the name server's service is there",
    async () => (await ask(pod.pid, "web.default.svc.cluster.local", "A", at)).length === 1,
  );
  assert.deepEqual(await ask(pod.pid, "web.default.svc.cluster.local", "A", at), ["10.96.1.1"]);
  assert.deepEqual(await ask(pod.pid, "WEB.default.svc.cluster.local", "A", { ...at, tcp: true }), ["10.96.1.1"]);
  assert.deepEqual(await ask(undefined, "web.default.svc.cluster.local", "A", at), ["10.96.1.1"], "from the host");
  assert.equal(await ask(pod.pid, "web.other.svc.cluster.local", "A", at), "NXDOMAIN");
  assert.deepEqual(await ask(pod.pid, "1.1.96.10.in-addr.arpa", "PTR", at), ["web.default.svc.cluster.local"]);
  assert.equal(await dial(pod.pid, "10.96.1.1", 80), `a sees ${pod.endpoint.ipv4}`);

  await client.update(RESOURCES.endpointslices, {
    ...slice,
    endpoints: [{ addresses: [b.endpoint.ipv4], nodeName: "here" }],
  });
  await until("the other endpoint answers", async () => (await dial(pod.pid, "10.96.1.1", 80)).startsWith("b"));
  await client.delete(RESOURCES.services, "default", "web");
  await until(
    "the service has gone",
    async () => (await ask(pod.pid, "web.default.svc.cluster.local", "A", at)) === "NXDOMAIN",
  );
  await until("its address is refused or gone", async () => !/sees/.test(await dial(pod.pid, "10.96.1.1", 80, 200)));
});

test("other names are asked for elsewhere, once", async () => {
  const pod = await makeContainer(networks, "pod2", { networkId: podNetwork });
  const at = { address: "10.96.0.10" };
  for (let times = 0; times < 3; times++)
    assert.deepEqual(await ask(pod.pid, "example.com", "A", at), ["198.51.100.7"]);
  assert.deepEqual(asked, ["example.com"]);
});

test("headless services, SRV and external names", async () => {
  const { client } = cluster;
  const pod = await makeContainer(networks, "pod3", { networkId: podNetwork });
  const at = { address: "10.96.0.10" };
  await client.create(RESOURCES.services, {
    ...webService,
    metadata: { namespace: "default", name: "db" },
    spec: { clusterIP: "None", ports: [{ port: 8080 }] },
  });
  await client.create(RESOURCES.endpointslices, sliceOf("db", ["10.244.0.77"]));
  await client.create(RESOURCES.services, {
    ...webService,
    metadata: { namespace: "default", name: "away" },
    spec: { type: "ExternalName", externalName: "example.net" },
  });
  await until(
    "the headless service resolves",
    async () => (await ask(pod.pid, "db.default.svc.cluster.local", "A", at)) !== "NXDOMAIN",
  );
  assert.deepEqual(await ask(pod.pid, "db.default.svc.cluster.local", "A", at), ["10.244.0.77"]);
  assert.deepEqual(await ask(pod.pid, "db.default.svc.cluster.local", "SRV", at), [
    "0 100 8080 10-244-0-77.db.default.svc.cluster.local",
  ]);
  assert.deepEqual(await ask(pod.pid, "away.default.svc.cluster.local", "A", at), ["example.net", "198.51.100.7"]);
});
