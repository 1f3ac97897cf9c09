import assert from "node:assert/strict";
import { test } from "node:test";
import { capabilitiesIn } from "./held-capabilities.ts";

test("the capabilities of a bounding set, by their numbers", () => {
  assert.deepEqual(capabilitiesIn("Name:\tx\nCapBnd:\t0000000000000003\n"), ["CAP_CHOWN", "CAP_DAC_OVERRIDE"]);
  const all = capabilitiesIn("CapBnd:\t000001ffffffffff\n");
  assert.equal(all.length, 41);
  assert.ok(!capabilitiesIn("CapBnd:\t000001fffeffffff\n").includes("CAP_SYS_RESOURCE"));
  assert.deepEqual(capabilitiesIn(""), []);
});
