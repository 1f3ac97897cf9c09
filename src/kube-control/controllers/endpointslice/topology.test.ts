import assert from "node:assert/strict";
import { test } from "node:test";
import type { Endpoint, Node } from "#formats/kube-types.generated.ts";
import { withTopologyHints, zoneShares } from "./topology.ts";

function node(name: string, zone: string | undefined, cpu: string, labels: Record<string, string> = {}): Node {
  return {
    metadata: { name, labels: { ...labels, ...(zone === undefined ? {} : { "topology.kubernetes.io/zone": zone }) } },
    status: { allocatable: { cpu }, conditions: [{ type: "Ready", status: "True" }] },
  };
}

function hints(zones: readonly string[], shares: ReadonlyMap<string, number> | undefined): Record<string, number> {
  const endpoints = new Map(
    zones.map((zone, index): [string, Endpoint] => [`${index}`, { addresses: [`10.0.0.${index}`], zone }]),
  );
  const [group] = withTopologyHints([{ addressType: "IPv4", ports: [], endpoints }], shares).groups;
  const counts: Record<string, number> = {};
  for (const { hints: each } of group?.endpoints.values() ?? []) {
    const zone = each?.forZones?.[0]?.name ?? "none";
    counts[zone] = (counts[zone] ?? 0) + 1;
  }
  return counts;
}

test("zones share by their processors; nodes that tell nothing end it", () => {
  const shares = zoneShares([
    node("1", "a", "2"),
    node("2", "a", "2"),
    node("3", "b", "4"),
    node("m", "c", "8", { "node-role.kubernetes.io/control-plane": "" }),
  ]);
  assert.deepEqual(
    shares,
    new Map([
      ["a", 0.5],
      ["b", 0.5],
    ]),
  );
  assert.equal(zoneShares([node("1", "a", "2"), node("2", undefined, "2")]), undefined);
  assert.equal(zoneShares([node("1", "a", "2"), node("2", "a", "2")]), undefined);
});

test("an endpoint serves its own zone, unless another would have too few", () => {
  const even = new Map([
    ["a", 0.5],
    ["b", 0.5],
  ]);
  assert.deepEqual(hints(["a", "a", "b", "b"], even), { a: 2, b: 2 });
  assert.deepEqual(hints(["a", "a", "a", "a", "a", "b"], even), { a: 3, b: 3 });
  assert.deepEqual(hints(["a", "a", "a"], even), { none: 3 }, "two zones need two each");
  assert.deepEqual(hints(["a"], even), { none: 1 });
  assert.deepEqual(hints(["a", "b"], undefined), { none: 2 });
});

test("what stands against hints is said as Kubernetes says it", () => {
  const even = new Map([
    ["a", 0.5],
    ["b", 0.5],
  ]);
  const problem = (
    zones: readonly (string | undefined)[],
    shares?: ReadonlyMap<string, number>,
  ): string | undefined => {
    const endpoints = new Map(
      zones.map((zone, index): [string, Endpoint] => [
        `${index}`,
        { addresses: [`10.0.0.${index}`], ...(zone === undefined ? {} : { zone }) },
      ]),
    );
    return withTopologyHints([{ addressType: "IPv4", ports: [], endpoints }], shares).problems.get("IPv4");
  };
  assert.equal(problem(["a", "b"], even), undefined);
  assert.equal(
    problem(["a", "b"]),
    "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes",
  );
  assert.equal(problem(["a"], even), "Insufficient number of endpoints (1 endpoints, 2 zones)");
  assert.equal(
    problem(["a", "a", "b"], even),
    "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold (3 endpoints, 2 zones)",
  );
  assert.equal(problem(["a", undefined], even), "One or more endpoints do not have a zone specified");
});
