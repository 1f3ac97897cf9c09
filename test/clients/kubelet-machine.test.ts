// What pods get of the machine: huge pages, block devices, AppArmor; and the end of a node in good order. With the real kubectl.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { parseQuantity, quantityValue } from "#formats/quantity.ts";
import { startGantry, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";
import { busybox, idle, ok, pod, podTools } from "#test/pods.ts";

let gantry: TestGantry;
let root: string;
const tools = podTools(() => gantry);
const { kubectl, apply, field, ready, sh } = tools;

/** What the machine has, which most often is none: it is not for a test to take the machine's memory. */
const PAGES = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";
const pages = existsSync(PAGES) ? Number(readFileSync(PAGES, "utf8")) : 0;
let loop = "";

before(async () => {
  root = await mkdtemp(join(tmpdir(), "gantry-test-"));
  await writeFile(join(root, "disk.img"), "");
  await truncate(join(root, "disk.img"), 2 ** 20);
  loop = execFileSync("losetup", ["--find", "--show", join(root, "disk.img")], { encoding: "utf8" }).trim();
  const configuration = {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    shutdownGracePeriod: "8s",
    shutdownGracePeriodCriticalPods: "3s",
    maxPods: 42,
  };
  await writeFile(join(root, "kubelet.json"), JSON.stringify(configuration));
  gantry = await startGantry({ root, flags: ["--node-name", "delta", "--kubelet-config", join(root, "kubelet.json")] });
  await gantry.docker("load", "-i", await testImage("busybox"));
});

after(async () => {
  if (loop !== "") execFileSync("losetup", ["--detach", loop]);
  await gantry?.stop();
  await rm(root, { recursive: true, force: true });
});

describe("the machine's own", () => {
  test("huge pages are counted, and taken from memory", async () => {
    const path =
      "jsonpath={.status.capacity.hugepages-2Mi} {.status.capacity.pods} {.status.capacity.memory} {.status.allocatable.memory}";
    const [huge = "", most, memory = "", allocatable = ""] = (await kubectl("get", "node", "delta", "-o", path)).split(
      " ",
    );
    const bytes = pages * 2 * 2 ** 20;
    assert.equal(quantityValue(parseQuantity(huge)), BigInt(bytes));
    assert.equal(most, "42");
    assert.equal(Number.parseInt(memory) - Number.parseInt(allocatable), bytes / 1024);
  });

  test("a claim of mode Block is a device in the container, and nothing else", async () => {
    const spec = {
      volumeMode: "Block",
      storageClassName: "",
      capacity: { storage: "1Mi" },
      accessModes: ["ReadWriteOnce"],
    };
    const values = ["delta"];
    const nodeAffinity = {
      required: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values }] }],
      },
    };
    const { capacity, ...claim } = spec;
    await apply(
      {
        apiVersion: "v1",
        kind: "PersistentVolume",
        metadata: { name: "raw" },
        spec: { ...spec, local: { path: loop }, nodeAffinity },
      },
      {
        apiVersion: "v1",
        kind: "PersistentVolumeClaim",
        metadata: { name: "raw" },
        spec: { ...claim, resources: { requests: capacity } },
      },
    );
    const volumes = [{ name: "raw", persistentVolumeClaim: { claimName: "raw" } }];
    const script = "echo written | dd of=/dev/raw conv=fsync; trap exit TERM; sleep 600 & wait";
    await apply(
      pod("block", {
        containers: [busybox("main", script, { volumeDevices: [{ name: "raw", devicePath: "/dev/raw" }] })],
        volumes,
      }),
    );
    await ready("block");
    assert.match(await sh("block", "ls -l /dev/raw"), /^b/);
    for (let tries = 0; tries < 50 && !readFileSync(join(root, "disk.img"), "latin1").startsWith("written"); tries++)
      await delay(100);
    assert.match(readFileSync(join(root, "disk.img"), "latin1").slice(0, 8), /^written/);
    await apply(pod("as-files", { containers: [idle({ volumeMounts: [{ name: "raw", mountPath: "/x" }] })], volumes }));
    const reason = "jsonpath={.status.containerStatuses[0].state.waiting.message}";
    let message = "";
    for (let tries = 0; tries < 50 && message === ""; tries++)
      message = await kubectl("get", "pod", "as-files", "-o", reason);
    assert.match(message, /volume "raw" has volumeMode Block, but is specified in volumeMounts/);
    await kubectl("delete", "pod", "block", "as-files", "--now");
  });

  test("a pod with an AppArmor profile is not run where the kernel has no AppArmor", async () => {
    const securityContext = { appArmorProfile: { type: "Localhost", localhostProfile: "mine" } };
    await apply(pod("confined", { containers: [idle({ securityContext })] }));
    await tools.phase("confined", "Failed");
    assert.equal(await field("confined", ".status.reason"), "AppArmor");
    assert.match(
      await field("confined", ".status.message"),
      /Cannot enforce AppArmor: AppArmor is not enabled on the host/,
    );
  });
});

describe("gantry down with a shutdownGracePeriod", () => {
  test("ends ordinary pods first, then critical ones, within their grace, and says so", async () => {
    const says = (name: string): string => `trap 'touch /out/${name}; exit 0' TERM; sleep 600 & wait`;
    const with_ = (name: string, more: object = {}): object =>
      pod(name, {
        terminationGracePeriodSeconds: 20,
        containers: [busybox("main", says(name), { volumeMounts: [{ name: "out", mountPath: "/out" }] })],
        volumes: [{ name: "out", hostPath: { path: join(root, "out"), type: "DirectoryOrCreate" } }],
        ...more,
      });
    const hook = { lifecycle: { preStop: { exec: { command: ["sh", "-c", "echo hook > /out/hook"] } } } };
    const mounts = { volumeMounts: [{ name: "out", mountPath: "/out" }] };
    await apply(
      with_("plain"),
      with_("hooked", { containers: [busybox("main", says("hooked"), { ...mounts, ...hook })] }),
      with_("stubborn", { containers: [busybox("main", "trap '' TERM; sleep 600", {})] }),
    );
    await ok(
      gantry.run("kubectl", ["apply", "-f", "-", "-n", "kube-system"], {
        input: JSON.stringify(with_("vital", { priorityClassName: "system-node-critical" })),
      }),
    );
    for (const name of ["plain", "hooked", "stubborn"]) await ready(name);
    await kubectl("wait", "--for=condition=Ready", "pod/vital", "-n", "kube-system", "--timeout=30s");
    const begun = Date.now();
    await gantry.stopDaemon();
    assert.ok(Date.now() - begun < 12_000, `${Date.now() - begun} ms`);
    const at = (name: string): number => statSync(join(root, "out", name)).mtimeMs;
    assert.equal(readFileSync(join(root, "out", "hook"), "utf8"), "hook\n");
    assert.ok(at("vital") > at("plain") && at("vital") > at("hooked"));
    await gantry.restart();
    for (const name of ["plain", "hooked", "stubborn"]) {
      const parts = '.status.phase} {.status.reason} {.status.conditions[?(@.type=="DisruptionTarget")].reason';
      assert.equal(await field(name, parts), "Failed Terminated TerminationByKubelet", name);
    }
    assert.match(await field("plain", ".status.message"), /in response to imminent node shutdown/);
    await kubectl("wait", "--for=condition=Ready", "node/delta", "--timeout=20s");
  });
});
