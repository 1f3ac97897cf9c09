// Every kind of volume that a node has of its own, seen from inside real containers.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { startGantry, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";
import { busybox, idle, pod, podTools } from "#test/pods.ts";

let gantry: TestGantry;
let host: string;
const { kubectl, apply, ready, field, sh, waitFor } = podTools(() => gantry);

before(async () => {
  host = await mkdtemp(join(tmpdir(), "gantry-volumes-"));
  gantry = await startGantry();
  assert.equal((await gantry.docker("load", "-i", await testImage("busybox"))).code, 0);
});
after(async () => {
  await gantry.stop();
  await rm(host, { recursive: true, force: true });
});

const mounts = (...pairs: [string, object][]): object => ({
  volumeMounts: pairs.map(([name, more]) => ({ name, mountPath: `/${name}`, ...more })),
});

describe("emptyDir", () => {
  test("on disk and in memory with a size; with a group of their own; gone with the pod", async () => {
    await apply(
      pod("empty", {
        securityContext: { fsGroup: 3000, runAsUser: 1000 },
        volumes: [
          { name: "disk", emptyDir: {} },
          { name: "memory", emptyDir: { medium: "Memory", sizeLimit: "8Mi" } },
        ],
        containers: [idle(mounts(["disk", {}], ["memory", {}]))],
      }),
    );
    await ready("empty");
    assert.match(await sh("empty", "grep ' /memory ' /proc/mounts"), /^tmpfs \/memory tmpfs rw.*size=8192k/);
    assert.match(await sh("empty", "touch /disk/a /memory/b; stat -c '%u:%g %a' /disk/a"), /^1000:3000 /);
    assert.match(await sh("empty", "id -G"), /3000/);
    const uid = await field("empty", ".metadata.uid");
    const directory = join(gantry.root, "data/kubelet/pods", uid);
    await stat(directory);
    await kubectl("delete", "pod", "empty", "--grace-period=1");
    await assert.rejects(stat(directory), { code: "ENOENT" });
    assert.doesNotMatch(await readFile("/proc/self/mountinfo", "utf8"), new RegExp(uid));
  });
});

describe("an emptyDir that outgrows its limit", () => {
  test("its pod is evicted, and says why", async () => {
    await apply(
      pod("bulky", {
        volumes: [{ name: "cache", emptyDir: { sizeLimit: "1Mi" } }],
        containers: [busybox("main", "head -c 3m /dev/zero > /cache/x; sleep 600", mounts(["cache", {}]))],
      }),
    );
    await waitFor("bulky", ".status.reason", "Evicted");
    assert.equal(await field("bulky", ".status.phase"), "Failed");
    assert.equal(await field("bulky", ".status.message"), 'Usage of EmptyDir volume "cache" exceeds the limit "1Mi". ');
  });
});

describe("hostPath", () => {
  test("types are made or checked", async () => {
    await writeFile(join(host, "file"), "from the host\n");
    await apply(
      pod("typed", {
        volumes: [
          { name: "made", hostPath: { path: join(host, "made/deep"), type: "DirectoryOrCreate" } },
          { name: "file", hostPath: { path: join(host, "file"), type: "File" } },
          { name: "new", hostPath: { path: join(host, "new"), type: "FileOrCreate" } },
        ],
        containers: [idle(mounts(["made", {}], ["file", { readOnly: true }], ["new", {}]))],
      }),
      pod("mistyped", {
        volumes: [{ name: "wrong", hostPath: { path: join(host, "file"), type: "Directory" } }],
        containers: [idle(mounts(["wrong", {}]))],
      }),
    );
    await ready("typed");
    assert.equal(await sh("typed", "echo x > /made/x; echo y > /new; cat /file"), "from the host\n");
    assert.equal(await readFile(join(host, "made/deep/x"), "utf8"), "x\n");
    assert.equal(await readFile(join(host, "new"), "utf8"), "y\n");
    assert.notEqual((await gantry.kubectl("exec", "typed", "--", "sh", "-c", "echo z > /file")).code, 0);
    assert.equal(await field("typed", ".status.containerStatuses[0].volumeMounts[1].readOnly"), "true");
    assert.equal(await field("mistyped", ".status.containerStatuses[0].state.waiting.reason"), "ContainerCreating");
    assert.match(
      await kubectl("get", "events", "--field-selector", "involvedObject.name=mistyped,reason=FailedMount"),
      /hostPath type check failed: .*\/file is not a directory/,
    );
  });
});

describe("subPath", () => {
  test("a directory and an expanded name; a link cannot lead out of the volume", async () => {
    await mkdir(join(host, "sub/inner"), { recursive: true });
    await writeFile(join(host, "sub/inner/x"), "inner\n");
    await writeFile(join(host, "secret"), "secret\n");
    await symlink(host, join(host, "sub/escape"));
    const volumes = [{ name: "vol", hostPath: { path: join(host, "sub") } }];
    await apply(
      pod("subbed", {
        volumes,
        containers: [
          idle({
            env: [{ name: "NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
            volumeMounts: [
              { name: "vol", mountPath: "/inner", subPath: "inner" },
              { name: "vol", mountPath: "/own", subPathExpr: "logs/$(NAME)" },
            ],
          }),
        ],
      }),
      pod("escaping", {
        volumes,
        containers: [idle({ volumeMounts: [{ name: "vol", mountPath: "/out", subPath: "escape" }] })],
      }),
    );
    await ready("subbed");
    assert.equal(await sh("subbed", "cat /inner/x; echo mine > /own/y"), "inner\n");
    assert.equal(await readFile(join(host, "sub/logs/subbed/y"), "utf8"), "mine\n");
    await ready("escaping");
    assert.equal(await sh("escaping", "ls -A /out"), "", "the link was followed inside the volume, to a new directory");
  });
});

describe("projected", () => {
  test("all sources in one directory, with modes; the downward API follows labels", async () => {
    await apply(
      { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "conf" }, data: { a: "1" }, binaryData: { b: "AAE=" } },
      { apiVersion: "v1", kind: "Secret", metadata: { name: "hush" }, stringData: { c: "2" } },
      pod(
        "projected",
        {
          volumes: [
            {
              name: "all",
              projected: {
                defaultMode: 0o440,
                sources: [
                  { configMap: { name: "conf" } },
                  { secret: { name: "hush", items: [{ key: "c", path: "deep/c", mode: 0o400 }] } },
                  { configMap: { name: "absent", optional: true } },
                  {
                    downwardAPI: {
                      items: [
                        { path: "labels", fieldRef: { fieldPath: "metadata.labels" } },
                        {
                          path: "limit",
                          resourceFieldRef: { containerName: "main", resource: "limits.memory", divisor: "1Mi" },
                        },
                      ],
                    },
                  },
                  { serviceAccountToken: { path: "token", audience: "vault", expirationSeconds: 600 } },
                ],
              },
            },
          ],
          containers: [idle({ ...mounts(["all", {}]), resources: { limits: { memory: "32Mi" } } })],
        },
        { labels: { tier: "web" } },
      ),
    );
    await ready("projected");
    assert.equal(await sh("projected", "cd /all; cat a deep/c labels limit; wc -c < b"), '12tier="web"322\n');
    assert.equal(await sh("projected", "stat -L -c %a /all/a /all/deep/c"), "440\n400\n");
    const token = await sh("projected", "cat /all/token");
    const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as { aud: string[] };
    assert.deepEqual(claims.aud, ["vault"]);
    await kubectl("label", "pod", "projected", "tier=db", "--overwrite");
    assert.equal(
      await sh("projected", "for i in $(seq 50); do grep -q db /all/labels && break; sleep 0.1; done; cat /all/labels"),
      'tier="db"',
    );
  });
});

describe("images as volumes", () => {
  test("an image's files, read only, and below a sub-path; a missing image says so", async () => {
    const image = { reference: "busybox", pullPolicy: "IfNotPresent" };
    await apply(
      pod("imaged", {
        volumes: [{ name: "tools", image }],
        containers: [
          idle({
            volumeMounts: [
              { name: "tools", mountPath: "/tools" },
              { name: "tools", mountPath: "/bins", subPath: "bin" },
            ],
          }),
        ],
      }),
      pod("imageless", {
        volumes: [{ name: "none", image: { reference: "nosuch", pullPolicy: "Never" } }],
        containers: [idle(mounts(["none", {}]))],
      }),
    );
    await ready("imaged");
    assert.match(await sh("imaged", "ls /tools/bin /bins"), /busybox[^]*busybox/);
    assert.match(
      (await gantry.kubectl("exec", "imaged", "--", "sh", "-c", "touch /tools/x")).stderr,
      /Read-only file system/,
    );
    assert.notEqual(
      (await gantry.kubectl("exec", "imaged", "--", "ls", "/tools/.dockerenv")).code,
      0,
      "only what the image has",
    );
    await waitFor("imageless", ".status.containerStatuses[0].state.waiting.reason", "ErrImageNeverPull");
    const uid = await field("imaged", ".metadata.uid");
    await kubectl("delete", "pod", "imaged", "--grace-period=1");
    assert.doesNotMatch(await readFile("/proc/self/mountinfo", "utf8"), new RegExp(uid));
  });
});
