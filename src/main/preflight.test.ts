import assert from "node:assert/strict";
import { test } from "node:test";
import { missingKernelFeatures } from "./preflight.ts";

const filesystems = "nodev\tsysfs\nnodev\tcgroup2\nnodev\toverlay\n\text4\n";

test("a kernel with everything lacks nothing", () => {
  assert.deepEqual(
    missingKernelFeatures(filesystems, () => true),
    [],
  );
});

test("what is missing is named with the way out", () => {
  const missing = missingKernelFeatures("nodev\tcgroup2\n", (path) => path !== "/proc/self/ns/pid");
  assert.equal(missing.length, 2);
  assert.match(missing[0] ?? "", /modprobe overlay/);
  assert.match(missing[1] ?? "", /CONFIG_PID_NS/);
});
