import assert from "node:assert/strict";
import { test } from "node:test";
import { addressBytes, addressText, macBytes, macText } from "./addresses.ts";

test("addresses become bytes and text again, shortened as RFC 5952 says", () => {
  const pairs = [
    ["172.17.0.2", "172.17.0.2"],
    ["::", "::"],
    ["::1", "::1"],
    ["fd00:0:0:1::", "fd00:0:0:1::"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["::ffff:10.0.0.1", "::ffff:a00:1"],
    ["FE80::1", "fe80::1"],
  ] as const;
  for (const [given, written] of pairs) assert.equal(addressText(addressBytes(given)), written);
});

test("what is no address is refused", () => {
  for (const wrong of ["", "1.2.3", "1.2.3.256", "fe80::1%eth0", "host"])
    assert.throws(() => addressBytes(wrong), /is not an IP address/);
  for (const wrong of ["", "02:42:ac:11:00", "02-42-ac-11-00-02", "02:42:ac:11:00:0g"])
    assert.throws(() => macBytes(wrong), /is not a MAC address/);
  assert.equal(macText(macBytes("02:42:AC:11:00:02")), "02:42:ac:11:00:02");
});
