import assert from "node:assert/strict";
import { test } from "node:test";
import type { ServiceSpec } from "#formats/kube-types.generated.ts";
import { settleFamilies } from "./families.ts";

const DUAL = ["IPv4", "IPv6"] as const;
const selector = { app: "a" };

function settled(spec: ServiceSpec, before?: ServiceSpec, families: readonly ("IPv4" | "IPv6")[] = DUAL): string {
  const copy = structuredClone(spec);
  const faults = settleFamilies(copy, before, families);
  if (faults.length > 0) return faults.map(({ field, message }) => `${field}: ${message}`).join("; ");
  return `${copy.ipFamilyPolicy} ${(copy.ipFamilies ?? []).join()} ${(copy.clusterIPs ?? []).join()}`.trim();
}

test("defaults: one family, the cluster's first; both where a headless service has no selector", () => {
  assert.equal(settled({ selector }), "SingleStack IPv4");
  assert.equal(settled({ clusterIP: "None", clusterIPs: ["None"] }), "RequireDualStack IPv4,IPv6 None");
  assert.equal(settled({ clusterIP: "None", clusterIPs: ["None"], selector }), "SingleStack IPv4 None");
  assert.equal(settled({ selector }, undefined, ["IPv6", "IPv4"]), "SingleStack IPv6");
});

test("a policy asks for the second family, an address names its own", () => {
  assert.equal(settled({ selector, ipFamilyPolicy: "PreferDualStack" }), "PreferDualStack IPv4,IPv6");
  assert.equal(
    settled({ selector, ipFamilyPolicy: "PreferDualStack", ipFamilies: ["IPv6"] }),
    "PreferDualStack IPv6,IPv4",
  );
  assert.equal(settled({ selector, ipFamilyPolicy: "PreferDualStack" }, undefined, ["IPv4"]), "PreferDualStack IPv4");
  assert.equal(settled({ selector, clusterIP: "fd00::5", clusterIPs: ["fd00::5"] }), "SingleStack IPv6 fd00::5");
});

test("what cannot be is refused in Kubernetes' words", () => {
  assert.match(
    settled({ selector, ipFamilyPolicy: "RequireDualStack" }, undefined, ["IPv4"]),
    /not configured for dual-stack/,
  );
  assert.match(
    settled({ selector, ipFamilies: ["IPv6"] }, undefined, ["IPv4"]),
    /ipFamilies\[0\]: .*not configured on this cluster/,
  );
  assert.match(
    settled({ selector, clusterIPs: ["fd00::5"] }, undefined, ["IPv4"]),
    /IPv6 is not configured on this cluster/,
  );
  assert.match(settled({ selector, ipFamilies: ["IPv4", "IPv6"] }), /must be 'RequireDualStack' or 'PreferDualStack'/);
  assert.match(settled({ selector, clusterIPs: ["fd00::5"], ipFamilies: ["IPv4"] }), /expected an IPv4 value/);
});

test("an update keeps the policy, takes the second family away, and leaves what a cluster's change does not concern", () => {
  const clusterIPs = ["10.0.0.5", "fd00::5"];
  const both: ServiceSpec = { selector, ipFamilyPolicy: "PreferDualStack", ipFamilies: [...DUAL], clusterIPs };
  assert.equal(
    settled({ selector, clusterIPs, ipFamilies: [...DUAL] }, both),
    "PreferDualStack IPv4,IPv6 10.0.0.5,fd00::5",
  );
  assert.equal(settled({ ...both, ipFamilyPolicy: "SingleStack" }, both), "SingleStack IPv4 10.0.0.5");
  const one: ServiceSpec = {
    selector,
    ipFamilyPolicy: "PreferDualStack",
    ipFamilies: ["IPv4"],
    clusterIPs: ["10.0.0.5"],
  };
  assert.equal(settled(one, one), "PreferDualStack IPv4 10.0.0.5");
});
