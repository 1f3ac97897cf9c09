// Security contexts, namespaces and names of pods, seen from inside real containers.
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { startGantry, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";
import { busybox, idle, ok, pod, podTools } from "#test/pods.ts";

let gantry: TestGantry;
const { kubectl, apply, ready, field, sh, waitFor } = podTools(() => gantry);

before(async () => {
  gantry = await startGantry();
  assert.equal((await gantry.docker("load", "-i", await testImage("busybox"))).code, 0);
});
after(() => gantry.stop());

describe("who a container is", () => {
  test("hostUsers: false: root inside is nobody outside, no two pods share their users, volumes keep their owners", async () => {
    const mine = (name: string): object =>
      pod(name, {
        hostUsers: false,
        securityContext: { fsGroup: 3000 },
        volumes: [{ name: "data", emptyDir: {} }],
        containers: [
          busybox("main", "id -u > /data/who; cat /data/who; sleep 600", {
            volumeMounts: [{ name: "data", mountPath: "/data" }],
          }),
        ],
      });
    await apply(mine("own-users"), mine("other-users"));
    const firsts: string[] = [];
    for (const name of ["own-users", "other-users"]) {
      await ready(name);
      assert.equal(await sh(name, "cat /data/who; stat -c %u:%g /data/who"), "0\n0:3000\n");
      const [inside, outside = "", count] = (await sh(name, "cat /proc/self/uid_map")).trim().split(/\s+/);
      assert.deepEqual([inside, count], ["0", "65536"]);
      firsts.push(outside);
      const id = (await field(name, ".status.containerStatuses[0].containerID")).split("//")[1] ?? "";
      const pid = (await ok(gantry.docker("inspect", "-f", "{{.State.Pid}}", id))).trim();
      assert.match(await readFile(`/proc/${pid}/status`, "utf8"), new RegExp(`^Uid:\\t${outside}\\t`, "m"));
    }
    assert.ok(Number(firsts[0]) >= 65_536 && firsts[0] !== firsts[1], firsts.join(" "));
    await kubectl("delete", "pod", "own-users", "other-users", "--now");
  });

  test("user, groups, capabilities, no new privileges, a read-only root; the status tells the user", async () => {
    await apply(
      pod("who", {
        securityContext: { runAsUser: 1000, runAsGroup: 2000, supplementalGroups: [5000], fsGroup: 6000 },
        containers: [
          idle({
            securityContext: {
              readOnlyRootFilesystem: true,
              allowPrivilegeEscalation: false,
              capabilities: { drop: ["ALL"] },
            },
          }),
          busybox("root", "sleep 600", { securityContext: { runAsUser: 0, capabilities: { add: ["NET_ADMIN"] } } }),
        ],
      }),
      pod("nonroot", { securityContext: { runAsNonRoot: true }, containers: [idle()] }),
    );
    await ready("who");
    assert.equal(await sh("who", "id -u; id -g", "main"), "1000\n2000\n");
    assert.deepEqual((await sh("who", "id -G", "main")).trim().split(" ").sort(), ["2000", "5000", "6000"]);
    const status = await sh("who", "cat /proc/self/status", "main");
    assert.match(status, /^NoNewPrivs:\t1$/m);
    assert.match(status, /^CapBnd:\t0{16}$/m);
    assert.match(status, /^Seccomp:\t2$/m);
    assert.match(
      (await gantry.kubectl("exec", "who", "-c", "main", "--", "touch", "/x")).stderr,
      /Read-only file system/,
    );
    assert.equal(await sh("who", "id -u", "root"), "0\n");
    assert.equal(await field("who", ".status.containerStatuses[0].user.linux.uid"), "1000");
    await waitFor("nonroot", ".status.containerStatuses[0].state.waiting.reason", "CreateContainerConfigError");
    assert.match(
      await field("nonroot", ".status.containerStatuses[0].state.waiting.message"),
      /container has runAsNonRoot and image will run as root/,
    );
  });

  test("privileged, unmasked /proc, no seccomp", async () => {
    await apply(
      pod("mighty", {
        containers: [
          idle({ securityContext: { privileged: true } }),
          busybox("plain", "sleep 600", { securityContext: { seccompProfile: { type: "Unconfined" } } }),
        ],
      }),
    );
    await ready("mighty");
    assert.match(await sh("mighty", "cat /proc/self/status", "main"), /^Seccomp:\t0$/m);
    assert.equal(await sh("mighty", "mkdir -p /mnt; mount -t tmpfs none /mnt; echo $?", "main"), "0\n");
    assert.match(await sh("mighty", "cat /proc/self/status", "plain"), /^Seccomp:\t0$/m);
    const mounted = (container: string): Promise<string> => sh("mighty", "cat /proc/mounts", container);
    assert.match(await mounted("plain"), /^proc \/proc\/sys proc ro,/m, "kernel settings cannot be written");
    assert.doesNotMatch(await mounted("main"), /^proc \/proc\/sys /m);
  });

  test("a seccomp profile of the node's own folder; a missing or empty one confines nobody by running nobody", async () => {
    const folder = join(gantry.root, "data/kubelet/seccomp");
    await mkdir(folder, { recursive: true });
    const rule = { names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 1 };
    await writeFile(
      join(folder, "no-mkdir.json"),
      JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86_64"], syscalls: [rule] }),
    );
    await writeFile(join(folder, "empty.json"), "");
    const confined = (name: string, localhostProfile: string): object =>
      pod(name, { securityContext: { seccompProfile: { type: "Localhost", localhostProfile } }, containers: [idle()] });
    await apply(
      confined("local", "no-mkdir.json"),
      confined("empty", "empty.json"),
      confined("missing", "nosuch.json"),
    );
    await ready("local");
    assert.match((await gantry.kubectl("exec", "local", "--", "mkdir", "/tmp/x")).stderr, /Operation not permitted/);
    for (const name of ["empty", "missing"])
      await waitFor(name, ".status.containerStatuses[0].state.waiting.reason", "CreateContainerConfigError");
  });

  test("sysctls that reach no further than the pod; others are refused", async () => {
    const sysctls = (name: string, value: string): object => ({ securityContext: { sysctls: [{ name, value }] } });
    await apply(
      pod("tuned", { ...sysctls("net.ipv4.ip_unprivileged_port_start", "80"), containers: [idle()] }),
      pod("greedy", { ...sysctls("kernel.msgmax", "65536"), containers: [idle()] }),
    );
    await ready("tuned");
    assert.equal(await sh("tuned", "cat /proc/sys/net/ipv4/ip_unprivileged_port_start"), "80\n");
    await waitFor("greedy", ".status.reason", "SysctlForbidden");
    assert.equal(
      await field("greedy", ".status.message"),
      'Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted',
    );
    assert.equal(await field("greedy", ".status.phase"), "Failed");
  });
});

describe("namespaces and names", () => {
  test("the host's network, processes and IPC", async () => {
    await apply(pod("hosted", { hostNetwork: true, hostPID: true, hostIPC: true, containers: [idle()] }));
    await ready("hosted");
    assert.equal((await sh("hosted", "hostname")).trim(), hostname());
    assert.match(await sh("hosted", "tr '\\0' ' ' < /proc/1/cmdline; ls /proc | grep -c '^[0-9]'"), /\d\d\n$/);
    assert.equal(await field("hosted", ".status.podIP"), await field("hosted", ".status.hostIP"));
  });

  test("containers that see each other's processes", async () => {
    await apply(
      pod("shared", { shareProcessNamespace: true, containers: [idle(), busybox("other", "sleep 4711")] }),
      pod("apart", { containers: [idle(), busybox("other", "sleep 4712")] }),
    );
    await Promise.all([ready("shared"), ready("apart")]);
    assert.match(await sh("shared", "ps", "main"), /sleep 4711/);
    assert.doesNotMatch(await sh("apart", "ps", "main"), /sleep 4712/);
  });

  test("host names, aliases, and name servers of its own", async () => {
    await apply(
      pod("named", {
        hostname: "alpha",
        subdomain: "greek",
        hostAliases: [{ ip: "10.1.2.3", hostnames: ["one.example", "two.example"] }],
        dnsPolicy: "None",
        dnsConfig: {
          nameservers: ["10.9.9.9"],
          searches: ["corp.example"],
          options: [{ name: "ndots", value: "2" }, { name: "edns0" }],
        },
        containers: [idle()],
      }),
      pod("full", { hostname: "beta", subdomain: "greek", setHostnameAsFQDN: true, containers: [idle()] }),
    );
    await Promise.all([ready("named"), ready("full")]);
    assert.equal(await sh("named", "hostname"), "alpha\n");
    assert.equal(await sh("full", "hostname"), "beta.greek.default.svc.cluster.local\n");
    assert.match(
      await sh("named", "cat /etc/hosts"),
      /10\.\d+\.\d+\.\d+\talpha\.greek\.default\.svc\.cluster\.local\talpha/,
    );
    assert.match(await sh("named", "cat /etc/hosts"), /10\.1\.2\.3\tone\.example\ttwo\.example/);
    assert.equal(
      await sh("named", "cat /etc/resolv.conf"),
      "search corp.example\nnameserver 10.9.9.9\noptions ndots:2 edns0\n",
    );
  });

  test("host ports", async () => {
    await apply(
      pod("ported", {
        containers: [
          busybox("main", "echo by port > /index.html; exec httpd -f -p 8080 -h /", {
            ports: [{ containerPort: 8080, hostPort: 18080 }],
          }),
        ],
      }),
    );
    await ready("ported");
    await sh("ported", "for i in $(seq 50); do wget -qO- localhost:8080 && break; sleep 0.1; done");
    assert.equal(await ok(gantry.run("curl", ["-s", "http://127.0.0.1:18080/"])), "by port\n");
  });
});

describe("what is said about a container", () => {
  test("events name it, in Kubernetes' words; ephemeral containers join", async () => {
    await apply(pod("told", { containers: [idle()] }));
    await ready("told");
    const paths = await kubectl(
      "get",
      "events",
      "--field-selector",
      "involvedObject.name=told",
      "-o",
      'jsonpath={range .items[*]}{.reason}|{.message}|{.involvedObject.fieldPath}{"\\n"}{end}',
    );
    assert.match(paths, /^Created\|Container created\|spec\.containers\{main\}$/m);
    assert.match(paths, /^Started\|Container started\|spec\.containers\{main\}$/m);
    assert.match(
      paths,
      /^Pulled\|Container image "busybox" already present on machine and can be accessed by the pod\|spec/m,
    );
    const debug = await ok(
      gantry.kubectl(
        "debug",
        "told",
        "--image=busybox",
        "--image-pull-policy=IfNotPresent",
        "-c",
        "dbg",
        "--",
        "sleep",
        "600",
      ),
    );
    assert.equal(debug, "");
    await waitFor("told", ".status.ephemeralContainerStatuses[0].state.running.startedAt", "").catch(() => undefined);
    assert.match(await readFile(`${gantry.root}/kubeconfig`, "utf8"), /clusters/);
    assert.match(await field("told", ".status.ephemeralContainerStatuses[0].state"), /running/);
  });
});
