import assert from "node:assert/strict";
import { test } from "node:test";
import { rangesOfInstance } from "./ranges.ts";

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
