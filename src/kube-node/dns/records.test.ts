import assert from "node:assert/strict";
import { test } from "node:test";
import type { EndpointSlice, Service } from "#formats/kube-types.generated.ts";
import { resolveInZone, resolveReverse, type ClusterView } from "./records.ts";

const ZONE = "cluster.local";
const services: Service[] = [
  {
    metadata: { namespace: "default", name: "web" },
    spec: {
      clusterIP: "10.96.0.5",
      clusterIPs: ["10.96.0.5", "fd00::5"],
      ports: [
        { name: "http", port: 80, protocol: "TCP" },
        { name: "dns", port: 53, protocol: "UDP" },
      ],
    },
  },
  { metadata: { namespace: "data", name: "db" }, spec: { clusterIP: "None", ports: [{ name: "cql", port: 9042 }] } },
  { metadata: { namespace: "data", name: "empty" }, spec: { clusterIP: "None" } },
  { metadata: { namespace: "default", name: "away" }, spec: { type: "ExternalName", externalName: "db.example.com" } },
];
const slices: EndpointSlice[] = [
  {
    metadata: { namespace: "data", name: "db-1", labels: { "kubernetes.io/service-name": "db" } },
    addressType: "IPv4",
    ports: [{ name: "cql", port: 9042, protocol: "TCP" }],
    endpoints: [
      { addresses: ["10.244.0.7"], hostname: "db-0" },
      { addresses: ["10.244.0.8"] },
      { addresses: ["10.244.0.9"], hostname: "db-2", conditions: { ready: false } },
    ],
  },
];
const view: ClusterView = {
  service: (namespace, name) =>
    services.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name),
  slices: (namespace, name) =>
    slices.filter(
      ({ metadata }) => metadata.namespace === namespace && metadata.labels?.["kubernetes.io/service-name"] === name,
    ),
  hasNamespace: (name) => ["default", "data"].includes(name),
  servicesAt: (address) => services.filter(({ spec }) => spec?.clusterIPs?.includes(address)),
  slicesAt: (address) =>
    slices.filter(({ endpoints }) => endpoints?.some(({ addresses }) => addresses.includes(address))),
};

/** One line a record; "NXDOMAIN" when there is no such name. */
function ask(name: string, type: string): string[] | string {
  const found = resolveInZone(view, ZONE, name === "" ? [] : name.split("."), type);
  if (found.kind === "none") return "NXDOMAIN";
  return found.records.map((record) => (record.type === "SRV" ? `${record.port} ${record.target}` : record.data));
}

test("a service is its addresses, by family", () => {
  assert.deepEqual(ask("web.default.svc", "A"), ["10.96.0.5"]);
  assert.deepEqual(ask("web.default.svc", "AAAA"), ["fd00::5"]);
  assert.deepEqual(ask("web.default.svc", "MX"), []);
  assert.equal(ask("nothing.default.svc", "A"), "NXDOMAIN");
  assert.equal(ask("web.nowhere.svc", "A"), "NXDOMAIN");
  assert.equal(ask("x.web.default.svc", "A"), "NXDOMAIN");
  assert.equal(ask("google.com.default.svc", "A"), "NXDOMAIN");
});

test("a headless service is its ready endpoints, each with a name of its own", () => {
  assert.deepEqual(ask("db.data.svc", "A"), ["10.244.0.7", "10.244.0.8"]);
  assert.deepEqual(ask("db-0.db.data.svc", "A"), ["10.244.0.7"]);
  assert.deepEqual(ask("10-244-0-8.db.data.svc", "A"), ["10.244.0.8"]);
  assert.equal(ask("db-2.db.data.svc", "A"), "NXDOMAIN");
  assert.equal(ask("empty.data.svc", "A"), "NXDOMAIN");
});

test("SRV names ports and targets", () => {
  assert.deepEqual(ask("_http._tcp.web.default.svc", "SRV"), ["80 web.default.svc.cluster.local"]);
  assert.deepEqual(ask("_dns._udp.web.default.svc", "SRV"), ["53 web.default.svc.cluster.local"]);
  assert.equal(ask("_http._udp.web.default.svc", "SRV"), "NXDOMAIN");
  assert.deepEqual(ask("_cql._tcp.db.data.svc", "SRV"), [
    "9042 db-0.db.data.svc.cluster.local",
    "9042 10-244-0-8.db.data.svc.cluster.local",
  ]);
  assert.deepEqual(ask("_http._tcp.web.default.svc", "A"), []);
});

test("external names, pods, the version, and names between", () => {
  assert.deepEqual(ask("away.default.svc", "A"), ["db.example.com"]);
  assert.deepEqual(ask("10-244-0-5.default.pod", "A"), ["10.244.0.5"]);
  assert.equal(ask("10-244-0-500.default.pod", "A"), "NXDOMAIN");
  assert.deepEqual(ask("dns-version", "TXT"), ["1.1.0"]);
  for (const between of ["", "svc", "default.svc", "pod"]) assert.deepEqual(ask(between, "A"), [], between);
  assert.equal(ask("com", "A"), "NXDOMAIN");
});

test("reverse lookups know services and endpoints", () => {
  assert.deepEqual(resolveReverse(view, ZONE, "10.96.0.5"), ["web.default.svc.cluster.local"]);
  assert.deepEqual(resolveReverse(view, ZONE, "10.244.0.7"), ["db-0.db.data.svc.cluster.local"]);
  assert.equal(resolveReverse(view, ZONE, "192.0.2.1"), undefined);
});
