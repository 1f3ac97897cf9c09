import assert from "node:assert/strict";
import { test } from "node:test";
import type { EndpointSlice, Service } from "#formats/kube-types.generated.ts";
import { servicePorts, type Viewpoint } from "./service-ports.ts";

const here: Viewpoint = { nodeName: "here", own: new Map() };
const service = (spec: Service["spec"], change: Partial<Service> = {}): Service => ({
  metadata: { namespace: "default", name: "web" },
  spec,
  ...change,
});
const slice = (
  endpoints: EndpointSlice["endpoints"],
  ports: EndpointSlice["ports"] = [{ name: "http", port: 8080, protocol: "TCP" }],
): EndpointSlice => ({
  metadata: { name: "web-1" },
  addressType: "IPv4",
  ...(endpoints ? { endpoints } : {}),
  ...(ports ? { ports } : {}),
});
const http = { name: "http", port: 80, protocol: "TCP" };

test("a port leads to the ready endpoints of its name; who is here is local", () => {
  const slices = [
    slice([
      { addresses: ["10.0.0.1"], nodeName: "here" },
      { addresses: ["10.0.0.2"], nodeName: "there", conditions: { ready: true } },
      { addresses: ["10.0.0.3"], conditions: { ready: false } },
    ]),
    slice([{ addresses: ["10.0.0.9"] }], [{ name: "other", port: 1, protocol: "TCP" }]),
  ];
  const [port] = servicePorts(service({ clusterIP: "10.96.0.1", ports: [http] }), slices, here);
  assert.deepEqual(port?.endpoints, [
    { address: "10.0.0.1", port: 8080, local: true },
    { address: "10.0.0.2", port: 8080, local: false },
  ]);
  assert.equal(port?.key, "default/web:http");
});

test("when nobody is ready, those that end but serve are used", () => {
  const ending = { addresses: ["10.0.0.1"], conditions: { ready: false, serving: true, terminating: true } };
  const starting = { addresses: ["10.0.0.2"], conditions: { ready: false, serving: false } };
  const ports = (endpoints: EndpointSlice["endpoints"]): string[] =>
    servicePorts(service({ clusterIP: "10.96.0.1", ports: [http] }), [slice(endpoints)], here).flatMap((port) =>
      port.endpoints.map(({ address }) => address),
    );
  assert.deepEqual(ports([ending, starting]), ["10.0.0.1"]);
  assert.deepEqual(ports([ending, { addresses: ["10.0.0.3"] }]), ["10.0.0.3"]);
});

test("hints: this node's endpoints, else this zone's, as long as every endpoint has one; those of a policy Local stay", () => {
  const hinted = (address: string, nodeName: string, zone: string) => ({
    addresses: [address],
    nodeName,
    hints: { forZones: [{ name: zone }], forNodes: [{ name: nodeName }] },
  });
  const [a, b, c] = [hinted("10.0.0.1", "one", "a"), hinted("10.0.0.2", "two", "a"), hinted("10.0.0.3", "three", "b")];
  const seen = (
    from: Partial<Viewpoint>,
    endpoints: EndpointSlice["endpoints"],
    spec: Service["spec"] = {},
  ): string[] =>
    servicePorts(service({ clusterIP: "10.96.0.1", ports: [http], ...spec }), [slice(endpoints)], {
      ...here,
      ...from,
    }).flatMap((port) =>
      [port.endpoints, port.localEndpoints ?? []].map((list) => list.map(({ address }) => address).join(" ")),
    );
  assert.deepEqual(seen({ nodeName: "two", zone: "a" }, [a, b, c]), ["10.0.0.2", ""]);
  assert.deepEqual(seen({ nodeName: "four", zone: "a" }, [a, b, c]), ["10.0.0.1 10.0.0.2", ""]);
  assert.deepEqual(seen({ nodeName: "four", zone: "z" }, [a, b, c]), ["10.0.0.1 10.0.0.2 10.0.0.3", ""]);
  const bare = { addresses: ["10.0.0.4"] };
  assert.deepEqual(seen({ nodeName: "two", zone: "a" }, [a, b, bare]), ["10.0.0.1 10.0.0.2 10.0.0.4", ""]);
  const local = { externalTrafficPolicy: "Local" };
  assert.deepEqual(
    seen({ nodeName: "three", zone: "a" }, [a, b, { ...c, hints: { forZones: [{ name: "b" }] } }], local),
    ["10.0.0.1 10.0.0.2", "10.0.0.3"],
  );
});

test("headless, external-name and others' services have no rules", () => {
  assert.deepEqual(servicePorts(service({ clusterIP: "None", ports: [http] }), [], here), []);
  assert.deepEqual(servicePorts(service({ type: "ExternalName", externalName: "x.example" }), [], here), []);
  const others = { metadata: { name: "web", labels: { "service.kubernetes.io/service-proxy-name": "mine" } } };
  assert.deepEqual(servicePorts(service({ clusterIP: "10.96.0.1", ports: [http] }, others), [], here), []);
});

test("what a service says is carried over: both families, node port, policies, affinity, load balancer", () => {
  const spec: Service["spec"] = {
    type: "LoadBalancer",
    clusterIP: "10.96.0.1",
    clusterIPs: ["10.96.0.1", "fd00::1"],
    ports: [{ ...http, nodePort: 30080 }],
    externalIPs: ["192.0.2.1", "2001:db8::1"],
    externalTrafficPolicy: "Local",
    sessionAffinity: "ClientIP",
    loadBalancerSourceRanges: ["192.0.2.0/24"],
  };
  const status = {
    loadBalancer: { ingress: [{ ip: "198.51.100.1" }, { ip: "198.51.100.2", ipMode: "Proxy" }, { hostname: "x" }] },
  };
  const [four, six] = servicePorts(service(spec, { status }), [], here);
  assert.deepEqual(
    [
      four?.nodePort,
      four?.externalIPs,
      four?.loadBalancerIPs,
      four?.externalTrafficPolicy,
      four?.affinitySeconds,
      four?.loadBalancerSourceRanges,
    ],
    [30080, ["192.0.2.1"], ["198.51.100.1"], "Local", 10800, ["192.0.2.0/24"]],
  );
  assert.deepEqual(
    [six?.family, six?.clusterIP, six?.externalIPs, six?.endpoints],
    ["ip6", "fd00::1", ["2001:db8::1"], []],
  );
});

test("a node port that a ClusterIP service still carries is none", () => {
  const [port] = servicePorts(
    service({ type: "ClusterIP", clusterIP: "10.96.0.1", ports: [{ ...http, nodePort: 30080 }] }),
    [],
    here,
  );
  assert.equal(port?.nodePort, 0);
});

test("endpoints of this node's own making win", () => {
  const own = new Map([["default/web", { address: "10.244.0.1", port: 1053 }]]);
  const [port] = servicePorts(
    service({ clusterIP: "10.96.0.1", ports: [http] }),
    [slice([{ addresses: ["10.0.0.1"] }])],
    { nodeName: "here", own },
  );
  assert.deepEqual(port?.endpoints, [{ address: "10.244.0.1", port: 1053, local: true }]);
});
