// A node that runs short of memory ends the pod that uses most beyond its request, says so, and takes no more of its kind.
import assert from "node:assert/strict";
import { totalmem } from "node:os";
import { before, test } from "node:test";
import { startGantry, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";
import { busybox, idle, pod, podTools } from "#test/pods.ts";

let gantry: TestGantry;
const { apply, field, kubectl, phase, ready } = podTools(() => gantry);

/** The second node's share is half of the machine: above this threshold are 100 MiB for its pods. */
const threshold = `${Math.floor(totalmem() / 2 / 1024) - 100 * 1024}Ki`;

before(async () => {
  gantry = await startGantry({
    flags: ["--node-name", "n", "--nodes", "2", "--eviction-hard", `memory.available<${threshold}`],
  });
  await gantry.docker("load", "-i", await testImage("busybox"));
});

test("memory pressure", async () => {
  const volumes = [{ name: "mem", emptyDir: { medium: "Memory" } }];
  const script = "dd if=/dev/zero of=/mem/fill bs=1M count=150; sleep 600";
  const resources = { requests: { memory: "64Mi" } };
  await apply(
    pod("hog", {
      nodeName: "n-2",
      volumes,
      containers: [busybox("main", script, { volumeMounts: [{ name: "mem", mountPath: "/mem" }] })],
    }),
    pod("modest", { nodeName: "n-2", containers: [idle({ resources })] }),
    pod("elsewhere", { nodeName: "n", containers: [idle()] }),
  );
  await ready("modest");
  await phase("hog", "Failed");
  assert.equal(await field("hog", ".status.reason"), "Evicted");
  assert.match(
    await field("hog", ".status.message"),
    /^The node was low on resource: memory\. Threshold quantity: \d+Ki, available: \d+Ki\. Container main was using \d+Ki, request is 0, has larger consumption of memory\. $/,
  );
  const condition = '{.status.conditions[?(@.type=="MemoryPressure")].status}';
  assert.equal(await kubectl("get", "node", "n-2", "-o", `jsonpath=${condition}`), "True");
  await apply(
    pod("late", { nodeName: "n-2", containers: [idle()] }),
    pod("asked", { nodeName: "n-2", containers: [idle({ resources })] }),
  );
  await phase("late", "Failed");
  assert.match(await field("late", ".status.message"), /The node had condition: \[MemoryPressure\]/);
  await ready("asked");
  assert.equal(await field("modest", ".status.phase"), "Running");
  assert.equal(await field("elsewhere", ".status.phase"), "Running");
});
