import assert from "node:assert/strict";
import { test } from "node:test";
import { mountOf, parseMountInfo } from "../mounts.ts";
import { controllerRoot, layoutOf } from "./layout.ts";

const HYBRID = `25 24 0:22 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
26 25 0:23 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
27 25 0:24 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
28 25 0:25 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
29 25 0:26 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
30 24 0:24 / /mnt/again\\040here rw,relatime - cgroup cgroup rw,memory
`;

test("a hybrid machine has controllers on version 1, each hierarchy once", () => {
  const layout = layoutOf(parseMountInfo(HYBRID), () => ["hugetlb"]);
  assert.equal(layout.mode, "hybrid");
  assert.deepEqual(
    layout.hierarchies.map(({ controllers }) => controllers),
    [["cpu", "cpuacct"], ["memory"], ["name=systemd"]],
  );
  assert.deepEqual(controllerRoot(layout, "cpuacct"), { version: 1, mountpoint: "/sys/fs/cgroup/cpu,cpuacct" });
  assert.deepEqual(controllerRoot(layout, "hugetlb"), { version: 2, mountpoint: "/sys/fs/cgroup/unified" });
  assert.equal(controllerRoot(layout, "pids"), undefined);
});

test("a machine with version 2 alone", () => {
  const mounts = parseMountInfo("29 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n");
  assert.deepEqual(
    layoutOf(mounts, () => ["cpu", "memory"]),
    {
      mode: "v2",
      hierarchies: [],
      unified: { mountpoint: "/sys/fs/cgroup", controllers: ["cpu", "memory"] },
    },
  );
});

test("mountinfo: escapes, optional fields, and the mount that a path lies on", () => {
  const mounts = parseMountInfo(HYBRID);
  assert.equal(mounts[5]?.target, "/mnt/again here");
  assert.deepEqual(mounts[1]?.propagation, ["shared:9"]);
  assert.equal(mountOf("/sys/fs/cgroup/memory/docker", mounts)?.id, 27);
  assert.equal(mountOf("/sys/fs/cgroup/memoryless", mounts)?.id, 25);
});
