import assert from "node:assert/strict";
import { it } from "node:test";
import { isProxyable } from "./addresses.ts";

it("dials addresses of pods and machines, and neither names nor this machine's own", () => {
  for (const good of ["10.244.0.5", "192.0.2.7", "fd00::5", "2001:db8::1"]) assert.ok(isProxyable(good), good);
  const bad = [
    "127.0.0.1",
    "127.8.0.1",
    "0.0.0.0",
    "169.254.169.254",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "localhost",
    "10.1",
    "",
  ];
  for (const address of bad) assert.ok(!isProxyable(address), address);
});
