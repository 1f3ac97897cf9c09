import assert from "node:assert/strict";
import { test } from "node:test";
import { ipv6Number, ipv6Text } from "./ipv6.ts";

test("addresses are read in every form and written in one", () => {
  for (const [read, written] of [
    ["::", "::"],
    ["::1", "::1"],
    ["fd00:0:0:0:0:0:0:5", "fd00::5"],
    ["FD00:10:96::A", "fd00:10:96::a"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["::ffff:10.1.2.3", "::ffff:a01:203"],
    ["fd00::", "fd00::"],
  ] as const)
    assert.equal(ipv6Text(ipv6Number(read) ?? -1n), written, read);
  for (const wrong of ["", "10.0.0.1", "fd00", "fe80::1%eth0", ":::"])
    assert.equal(ipv6Number(wrong), undefined, wrong);
});
