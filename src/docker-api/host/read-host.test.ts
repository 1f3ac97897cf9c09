import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCgroupMounts, parseOsRelease } from "./read-host.ts";

test("os-release values with and without quotes", () => {
  assert.deepEqual(parseOsRelease("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nX='a b'\n# no\n"), {
    PRETTY_NAME: "Debian GNU/Linux 12 (bookworm)",
    ID: "debian",
    X: "a b",
  });
});

test("hybrid cgroup mounts", () => {
  const mounts =
    "cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\ncgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
  const { v1, v2 } = parseCgroupMounts(mounts);
  assert.deepEqual(
    [...v1],
    [
      ["cpu", "/sys/fs/cgroup/cpu,cpuacct"],
      ["cpuacct", "/sys/fs/cgroup/cpu,cpuacct"],
    ],
  );
  assert.equal(v2, "/sys/fs/cgroup/unified");
});
