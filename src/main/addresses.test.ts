import assert from "node:assert/strict";
import { test } from "node:test";
import { addressIn, portRange } from "./addresses.ts";

test("addresses in a range", () => {
  assert.equal(addressIn("10.96.0.0/16", 10), "10.96.0.10");
  assert.equal(addressIn("10.100.128.0/18", 1), "10.100.128.1");
  assert.equal(addressIn("192.168.7.77/24", 300), "192.168.8.44");
  assert.throws(() => addressIn("10.96.0.0", 1), /not an IPv4 range/);
});

test("port ranges", () => {
  assert.deepEqual(portRange("30000-32767"), { low: 30000, high: 32767 });
  assert.throws(() => portRange("5-1"), /not a range of ports/);
});
