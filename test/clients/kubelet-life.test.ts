// What happens to pods while they live and when they end: hooks, graces, rules, resizes, static pods.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { startGantry, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";
import { busybox, idle, ok, pod, podTools } from "#test/pods.ts";

let gantry: TestGantry;
const { kubectl, apply, ready, field, phase, sh, waitFor } = podTools(() => gantry);

before(async () => {
  gantry = await startGantry();
  assert.equal((await gantry.docker("load", "-i", await testImage("busybox"))).code, 0);
});
after(() => gantry.stop());

const logMount = { volumeMounts: [{ name: "log", mountPath: "/log" }] };
const logVolume = (): object => ({
  volumes: [{ name: "log", hostPath: { path: join(gantry.root, "log"), type: "DirectoryOrCreate" } }],
});
const logged = (name: string): string => readFileSync(join(gantry.root, "log", name), "utf8");

describe("hooks and endings", () => {
  test("postStart by exec; preStop by exec, then by sleep; what is left of the grace is the container's", async () => {
    await apply(
      pod("hooked", {
        ...logVolume(),
        terminationGracePeriodSeconds: 5,
        containers: [
          busybox("main", "trap 'echo term >> /log/hooked; exit' TERM; sleep 600 & wait", {
            ...logMount,
            lifecycle: {
              postStart: { exec: { command: ["sh", "-c", "echo started >> /log/hooked"] } },
              preStop: { exec: { command: ["sh", "-c", "echo stopping >> /log/hooked"] } },
            },
          }),
          busybox("sleeper", "trap 'exit' TERM; sleep 600 & wait", {
            lifecycle: { preStop: { sleep: { seconds: 1 } } },
          }),
        ],
      }),
      pod("unhooked", {
        restartPolicy: "Never",
        containers: [idle({ lifecycle: { postStart: { exec: { command: ["sh", "-c", "exit 3"] } } } })],
      }),
    );
    await ready("hooked");
    const started = Date.now();
    await kubectl("delete", "pod", "hooked");
    assert.equal(logged("hooked"), "started\nstopping\nterm\n");
    assert.ok(Date.now() - started >= 1000, "the sleeping hook was waited for");
    await phase("unhooked", "Failed");
    assert.match(await kubectl("get", "events"), /FailedPostStartHook\s+pod\/unhooked\s+PostStartHook failed/);
  });

  test("a probe's own grace is the one that counts; the events say why", async () => {
    await apply(
      pod("stubborn", {
        terminationGracePeriodSeconds: 60,
        containers: [
          busybox("main", "trap '' TERM; sleep 600 & while true; do wait; done", {
            livenessProbe: {
              exec: { command: ["false"] },
              periodSeconds: 1,
              failureThreshold: 1,
              terminationGracePeriodSeconds: 1,
            },
          }),
        ],
      }),
    );
    await waitFor("stubborn", ".status.containerStatuses[0].restartCount", "1");
    assert.match(
      await kubectl("get", "events", "--field-selector", "involvedObject.name=stubborn"),
      /Killing\s+pod\/stubborn\s+Container main failed liveness probe, will be restarted/,
    );
    await kubectl("delete", "pod", "stubborn", "--grace-period=0", "--force");
  });

  test("a container restarts by its exit code, whatever the pod's policy", async () => {
    await apply(
      pod("ruled", {
        ...logVolume(),
        restartPolicy: "Never",
        containers: [
          busybox("main", "echo run >> /log/ruled; [ $(wc -l < /log/ruled) -ge 2 ] && exit 7; exit 42", {
            ...logMount,
            restartPolicy: "Never",
            restartPolicyRules: [{ action: "Restart", exitCodes: { operator: "In", values: [42] } }],
          }),
        ],
      }),
    );
    await phase("ruled", "Failed");
    assert.equal(logged("ruled"), "run\nrun\n");
    assert.equal(await field("ruled", ".status.containerStatuses[0].restartCount"), "1");
    assert.equal(await field("ruled", ".status.containerStatuses[0].state.terminated.exitCode"), "7");
  });

  test("a pod past its deadline fails once nothing of it runs; sidecars end last", async () => {
    await apply(
      pod("late", {
        ...logVolume(),
        activeDeadlineSeconds: 2,
        terminationGracePeriodSeconds: 5,
        initContainers: [
          busybox("side", "trap 'echo side >> /log/late; exit' TERM; sleep 600 & wait", {
            ...logMount,
            restartPolicy: "Always",
          }),
        ],
        containers: [busybox("main", "trap 'echo main >> /log/late; exit' TERM; sleep 600 & wait", logMount)],
      }),
    );
    await phase("late", "Failed");
    assert.equal(await field("late", ".status.reason"), "DeadlineExceeded");
    assert.equal(logged("late"), "main\nside\n");
  });
});

describe("resize in place", () => {
  const limits = (name: string, id: string, uid: string): string => {
    const v1 = `/sys/fs/cgroup/${name === "cpu.max" ? "cpu" : "memory"}/kubepods/burstable/pod${uid}/${id}`;
    if (!existsSync(v1))
      return readFileSync(`/sys/fs/cgroup/kubepods/burstable/pod${uid}/${id}/${name}`, "utf8").trim();
    return readFileSync(join(v1, name === "cpu.max" ? "cpu.cfs_quota_us" : "memory.limit_in_bytes"), "utf8").trim();
  };

  test("cpu and memory of a running container; a policy may ask for a restart; too much is infeasible", async () => {
    const resources = { requests: { cpu: "100m", memory: "32Mi" }, limits: { cpu: "200m", memory: "64Mi" } };
    await apply(
      pod("sized", {
        containers: [
          idle({
            resources,
            resizePolicy: [
              { resourceName: "memory", restartPolicy: "NotRequired" },
              { resourceName: "cpu", restartPolicy: "NotRequired" },
            ],
          }),
        ],
      }),
    );
    await ready("sized");
    const resize = (cpu: string, memory: string): Promise<string> =>
      kubectl(
        "patch",
        "pod",
        "sized",
        "--subresource=resize",
        "-p",
        JSON.stringify({
          spec: { containers: [{ name: "main", resources: { requests: { cpu }, limits: { cpu: "400", memory } } }] },
        }),
      );
    const id = (await field("sized", ".status.containerStatuses[0].containerID")).replace("gantry://", "");
    const uid = await field("sized", ".metadata.uid");
    await resize("150m", "96Mi");
    await waitFor("sized", ".status.containerStatuses[0].resources.limits.memory", "96Mi");
    assert.equal(limits("memory.max", id, uid), String(96 * 2 ** 20));
    assert.match(limits("cpu.max", id, uid), /^40000000/);
    assert.equal(await field("sized", ".status.containerStatuses[0].allocatedResources.cpu"), "150m");
    assert.equal(await field("sized", ".status.containerStatuses[0].restartCount"), "0");
    const tooMany = cpus().length + 1;
    await resize(String(tooMany), "96Mi");
    await waitFor("sized", '.status.conditions[?(@.type=="PodResizePending")].reason', "Infeasible");
    assert.equal(
      await field("sized", '.status.conditions[?(@.type=="PodResizePending")].message'),
      `Node didn't have enough capacity: cpu, requested: ${tooMany * 1000}, capacity: ${cpus().length * 1000}`,
    );
    assert.equal(await field("sized", ".status.containerStatuses[0].allocatedResources.cpu"), "150m");
  });
});

describe("static pods", () => {
  test("a manifest's pod runs and has a mirror; deleting the mirror brings it back; without the manifest both go", async () => {
    const manifest = join(gantry.root, "data/manifests/still.yaml");
    const node = gantry.status.nodeName?.toLowerCase() ?? "";
    await writeFile(manifest, JSON.stringify(pod("still", { containers: [idle()] })));
    const name = `still-${node}`;
    await ok(
      gantry.run("sh", [
        "-c",
        `for i in $(seq 100); do kubectl get pod ${name} >/dev/null 2>&1 && exit 0; sleep 0.1; done; exit 1`,
      ]),
    );
    await ready(name);
    const id = await field(name, ".status.containerStatuses[0].containerID");
    assert.match(await sh(name, "hostname"), new RegExp(`^${name.slice(0, 20)}`));
    await kubectl("delete", "pod", name, "--grace-period=0", "--force");
    await ok(
      gantry.run("sh", [
        "-c",
        `for i in $(seq 100); do kubectl get pod ${name} >/dev/null 2>&1 && exit 0; sleep 0.1; done; exit 1`,
      ]),
    );
    await ready(name);
    assert.equal(await field(name, ".status.containerStatuses[0].containerID"), id, "the container ran on");
    await rm(manifest);
    await kubectl("wait", "--for=delete", `pod/${name}`, "--timeout=20s");
  });
});
