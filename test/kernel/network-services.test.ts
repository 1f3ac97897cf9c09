import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { afterEach, before, test } from "node:test";
import { openListener } from "#linux/inet-sockets.ts";
import { inNetns } from "#linux/netns.ts";
import type { Networks } from "#network/networks.ts";
import { ensurePodNetwork } from "#network/pod-network.ts";
import { openServiceRules, type ServicePort, type ServiceRules } from "#network/service-rules.ts";
import { dial, enterFreshHost, greet, sh } from "#test/isolated-network.ts";
import {
  closeLabs,
  HOST_ADDRESS,
  makeContainer,
  makeNeighbour,
  NEIGHBOUR_ADDRESS,
  openLab,
  tempDir,
  type LabContainer,
} from "#test/network-lab.ts";

let neighbour = 0;
let opened: ServiceRules | undefined;
before(async () => {
  await enterFreshHost();
  neighbour = await makeNeighbour();
});
afterEach(async () => {
  opened?.remove();
  opened?.close();
  opened = undefined;
  await closeLabs();
});

async function openCluster(): Promise<{
  networks: Networks;
  rules: ServiceRules;
  pod: (name: string) => Promise<LabContainer>;
}> {
  const networks = await openLab(tempDir());
  const network = await ensurePodNetwork(networks, {
    podCidr: "10.244.0.0/24",
    clusterCidrs: ["10.244.0.0/16", "10.96.0.0/16"],
    bridgeName: "pods0",
  });
  const rules = openServiceRules({
    instance: "",
    podRanges: ["10.244.0.0/16"],
    hostRoutes: [{ range: "10.96.0.0/16", bridge: "pods0" }],
  });
  opened = rules;
  return { networks, rules, pod: (name) => makeContainer(networks, name, { networkId: network.id }) };
}

const service = (change: Partial<ServicePort>): ServicePort => ({
  key: "default/web:http",
  family: "ip",
  protocol: "tcp",
  clusterIP: "10.96.0.10",
  port: 80,
  nodePort: 0,
  externalIPs: [],
  loadBalancerIPs: [],
  loadBalancerSourceRanges: [],
  internalTrafficPolicy: "Cluster",
  externalTrafficPolicy: "Cluster",
  affinitySeconds: 0,
  endpoints: [],
  ...change,
});
const endpoint = (pod: LabContainer, local = true): ServicePort["endpoints"][number] => ({
  address: pod.endpoint.ipv4,
  port: 8080,
  local,
});

async function dialMany(from: number | undefined, address: string, port: number, times: number): Promise<Set<string>> {
  const answers = new Set<string>();
  for (let n = 0; n < times; n++) answers.add(await dial(from, address, port));
  return answers;
}

for (const filtered of ["1", "0"]) {
  test(`a service leads pods, the host and the outside to its endpoints (bridge-nf-call-iptables ${filtered})`, async () => {
    sh(`echo ${filtered} > /proc/sys/net/bridge/bridge-nf-call-iptables`);
    const { rules, pod } = await openCluster();
    const [a, b, client] = [await pod("a"), await pod("b"), await pod("client")];
    assert.deepEqual([a.endpoint.ipv4, a.endpoint.prefixLength], ["10.244.0.2", 32]);
    greet(a.pid, "0.0.0.0", 8080, "a");
    greet(b.pid, "0.0.0.0", 8080, "b");
    assert.equal(await dial(client.pid, a.endpoint.ipv4, 8080), `a sees ${client.endpoint.ipv4}`, "pod to pod");

    rules.apply([service({ endpoints: [endpoint(a), endpoint(b)], nodePort: 30080, externalIPs: ["203.0.113.9"] })]);
    const seen = client.endpoint.ipv4;
    assert.deepEqual(
      await dialMany(client.pid, "10.96.0.10", 80, 24),
      new Set([`a sees ${seen}`, `b sees ${seen}`]),
      "with the pod's own address",
    );
    assert.deepEqual(
      await dialMany(undefined, "10.96.0.10", 80, 24),
      new Set(["a sees 10.244.0.1", "b sees 10.244.0.1"]),
      "from the host",
    );
    assert.deepEqual(
      await dialMany(neighbour, HOST_ADDRESS, 30080, 24),
      new Set(["a sees 10.244.0.1", "b sees 10.244.0.1"]),
      "node port",
    );
    assert.match(await dial(undefined, "127.0.0.1", 30080), /^[ab] sees 10.244.0.1$/, "node port on localhost");
    assert.match(await dial(client.pid, HOST_ADDRESS, 30080), /^[ab] sees/, "node port from a pod");
    assert.match(await dial(neighbour, "203.0.113.9", 80), /^[ab] sees 10.244.0.1$/, "external address");

    rules.apply([service({ endpoints: [endpoint(a)], nodePort: 30080 })]);
    assert.deepEqual(
      await dialMany(client.pid, "10.96.0.10", 80, 8),
      new Set([`a sees ${seen}`]),
      "an endpoint has gone",
    );
    assert.match(await dial(a.pid, "10.96.0.10", 80), /^a sees 10.244.0.1$/, "a pod reaches itself by its service");
    assert.equal(await dial(client.pid, "10.96.0.10", 81), "ECONNREFUSED", "no such port");

    rules.apply([service({ nodePort: 30080 })]);
    assert.equal(await dial(client.pid, "10.96.0.10", 80), "ECONNREFUSED", "no endpoints");
    assert.equal(await dial(undefined, "10.96.0.10", 80), "ECONNREFUSED");
    assert.equal(await dial(neighbour, HOST_ADDRESS, 30080), "ECONNREFUSED");

    rules.apply([]);
    assert.match(sh("nft list table ip gantry-services").out, /chain prerouting/);
    assert.doesNotMatch(sh("nft list table ip gantry-services").out, /svc-|10\.96\.0\.10\b/);
  });
}

test("externalTrafficPolicy Local keeps the client's address and uses this node's endpoints only", async () => {
  const { rules, pod } = await openCluster();
  const [a, b] = [await pod("a"), await pod("b")];
  greet(a.pid, "0.0.0.0", 8080, "a");
  greet(b.pid, "0.0.0.0", 8080, "b");
  const local = { nodePort: 30081, externalTrafficPolicy: "Local" } as const;
  rules.apply([service({ ...local, endpoints: [endpoint(a), endpoint(b, false)] })]);
  assert.deepEqual(await dialMany(neighbour, HOST_ADDRESS, 30081, 12), new Set([`a sees ${NEIGHBOUR_ADDRESS}`]));
  assert.deepEqual(
    (await dialMany(undefined, HOST_ADDRESS, 30081, 24)).size,
    2,
    "whoever is on the node gets any endpoint",
  );
  rules.apply([service({ ...local, endpoints: [endpoint(b, false)] })]);
  assert.equal(await dial(neighbour, HOST_ADDRESS, 30081, 400), "timeout", "no endpoint here");
  rules.apply([service({ internalTrafficPolicy: "Local", endpoints: [endpoint(a), endpoint(b, false)] })]);
  assert.equal((await dialMany(b.pid, "10.96.0.10", 80, 12)).size, 1);
});

test("session affinity keeps a client at its endpoint, also when others come and go", async () => {
  const { rules, pod } = await openCluster();
  const [a, b, client] = [await pod("a"), await pod("b"), await pod("client")];
  greet(a.pid, "0.0.0.0", 8080, "a");
  greet(b.pid, "0.0.0.0", 8080, "b");
  const sticky = { affinitySeconds: 10_800 };
  rules.apply([service({ ...sticky, endpoints: [endpoint(a), endpoint(b)] })]);
  const first = await dialMany(client.pid, "10.96.0.10", 80, 10);
  assert.equal(first.size, 1);
  const chosen = [...first][0]?.startsWith("a") ? a : b;
  const other = chosen === a ? b : a;
  rules.apply([service({ ...sticky, endpoints: [endpoint(chosen)] })]);
  rules.apply([service({ ...sticky, endpoints: [endpoint(other), endpoint(chosen)] })]);
  assert.deepEqual(await dialMany(client.pid, "10.96.0.10", 80, 10), first);
  rules.apply([service({ ...sticky, endpoints: [endpoint(other)] })]);
  assert.notDeepEqual(await dialMany(client.pid, "10.96.0.10", 80, 3), first);
});

test("loadBalancerSourceRanges lets in whom it names", async () => {
  const { rules, pod } = await openCluster();
  const a = await pod("a");
  greet(a.pid, "0.0.0.0", 8080, "a");
  const balanced = (ranges: string[]): ServicePort =>
    service({ endpoints: [endpoint(a)], loadBalancerIPs: ["203.0.113.10"], loadBalancerSourceRanges: ranges });
  rules.apply([balanced(["192.0.2.0/24"])]);
  assert.match(await dial(neighbour, "203.0.113.10", 80), /^a sees/);
  rules.apply([balanced(["198.51.100.0/24"])]);
  assert.equal(await dial(neighbour, "203.0.113.10", 80, 400), "timeout");
});

test("datagrams of a flow go to the new endpoint when theirs has gone", async () => {
  const { rules, pod } = await openCluster();
  const [a, b, client] = [await pod("a"), await pod("b"), await pod("client")];
  const serve = (container: LabContainer, text: string): (() => void) => {
    const socket = createSocket("udp4");
    socket.bind({
      fd: inNetns(container.pid, () => openListener({ protocol: "udp", address: "0.0.0.0", port: 8080 })).fd,
    });
    socket.on("message", (_message, from) => socket.send(text, from.port, from.address));
    return () => socket.close();
  };
  const closers = [serve(a, "a"), serve(b, "b")];
  const asker = createSocket("udp4");
  asker.bind({ fd: inNetns(client.pid, () => openListener({ protocol: "udp", address: "0.0.0.0", port: 0 })).fd });
  const ask = async (): Promise<string> => {
    asker.send("?", 53, "10.96.0.10");
    return String(((await once(asker, "message")) as [Buffer])[0]);
  };
  const udp = (container: LabContainer): ServicePort =>
    service({ key: "kube-system/dns:dns", protocol: "udp", port: 53, endpoints: [endpoint(container)] });
  rules.apply([udp(a)]);
  assert.equal(await ask(), "a");
  rules.apply([udp(b)]);
  assert.equal(await ask(), "b");
  for (const close of [...closers, () => asker.close()]) close();
});

test("rules that were flushed come back; two services may share an endpoint and contend for a port", async () => {
  const { rules, pod } = await openCluster();
  const [a, client] = [await pod("a"), await pod("client")];
  greet(a.pid, "0.0.0.0", 8080, "a");
  const one = service({ endpoints: [endpoint(a)], nodePort: 30090 });
  const two = service({ key: "default/two:", clusterIP: "10.96.0.11", endpoints: [endpoint(a)], nodePort: 30090 });
  rules.apply([one, two]);
  rules.apply([two]);
  assert.match(
    await dial(a.pid, "10.96.0.11", 80),
    /^a sees 10.244.0.1$/,
    "the shared pair for a pod that reaches itself is still there",
  );
  assert.match(await dial(neighbour, HOST_ADDRESS, 30090), /^a sees/);
  sh("nft flush ruleset");
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.match(await dial(client.pid, "10.96.0.11", 80), /^a sees/);
});

test("many services: the first apply and a change of one", async (t) => {
  const { rules, pod } = await openCluster();
  const a = await pod("a");
  const many = Array.from({ length: 1000 }, (_, n) =>
    service({
      key: `ns/svc-${n}:`,
      clusterIP: `10.96.${4 + (n >> 8)}.${n & 255}`,
      endpoints: [endpoint(a), { address: "10.244.0.200", port: 1 + n, local: false }],
    }),
  );
  const timed = (run: () => void): number => {
    const start = performance.now();
    run();
    return performance.now() - start;
  };
  const first = timed(() => rules.apply(many));
  const same = timed(() => rules.apply(many));
  const changed = timed(() =>
    rules.apply([...many.slice(1), service({ key: "ns/svc-0:", clusterIP: "10.96.4.0", endpoints: [endpoint(a)] })]),
  );
  t.diagnostic(
    `1000 services: first ${first.toFixed(0)} ms, unchanged ${same.toFixed(1)} ms, one changed ${changed.toFixed(1)} ms`,
  );
  assert.ok(changed < first);
});
