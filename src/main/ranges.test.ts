import assert from "node:assert/strict";
import { test } from "node:test";
import { rangesOfInstance, splitRanges } from "./ranges.ts";

test("another root gets a /16 of its own, and the next one when that is taken", () => {
  const first = rangesOfInstance("000001", new Set());
  assert.deepEqual(first, {
    bip: "10.101.0.1/18",
    podCidr: "10.101.64.0/18",
    serviceCidr: "10.101.128.0/18",
    nodeCidr: "10.101.192.0/18",
  });
  assert.equal(rangesOfInstance("000001", new Set([101])).bip, "10.102.0.1/18");
});

test("no free range is an error that says what to do", () => {
  const all = new Set(Array.from({ length: 256 }, (_, n) => n));
  assert.throws(() => rangesOfInstance("000001", all), /give --bip/);
});

test("a range of each family, IPv4 first", () => {
  assert.deepEqual(splitRanges("--pod-cidr", "10.0.0.0/16"), { v4: "10.0.0.0/16" });
  assert.deepEqual(splitRanges("--pod-cidr", "10.0.0.0/16,fd00::/48"), { v4: "10.0.0.0/16", v6: "fd00::/48" });
  assert.equal(splitRanges("--pod-cidr", undefined), undefined);
  for (const [text, message] of [
    ["fd00::/48", /--pod-cidr "fd00::\/48": IPv6 alone or first is not supported/],
    ["10.0.0.0/16,fd00:x/48", /"fd00:x\/48" is not an IPv6 range/],
    ["10.0.0.0/16,fd00::/129", /is not an IPv6 range/],
    ["10.0.0.0/16,fd00::/48,fd01::/48", /one range, or one of each family/],
  ] as const)
    assert.throws(() => splitRanges("--pod-cidr", text), message);
});
