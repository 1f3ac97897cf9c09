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
  const [group] = withTopologyHints([{ addressType: "IPv4", ports: [], endpoints }], shares);
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
