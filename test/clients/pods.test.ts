// Pods with the real kubectl on real containers: what issue after issue will deepen, shown end to end.
import assert from "node:assert/strict";
import { readFileSync, existsSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { startGantry, type Result, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";

let gantry: TestGantry;

before(async () => {
  gantry = await startGantry();
  assert.equal((await gantry.docker("load", "-i", await testImage("busybox"))).code, 0);
});
after(() => gantry.stop());

async function ok(result: Promise<Result>): Promise<string> {
  const { code, stdout, stderr } = await result;
  assert.equal(code, 0, stderr + stdout);
  return stdout;
}

function kubectl(...args: string[]): Promise<string> {
  return ok(gantry.kubectl(...args));
}

function apply(...objects: object[]): Promise<string> {
  return ok(
    gantry.run("kubectl", ["apply", "-f", "-"], {
      input: objects.map((object) => JSON.stringify(object)).join("\n"),
    }),
  );
}

function pod(name: string, spec: object, metadata: object = {}): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, ...metadata },
    spec: { terminationGracePeriodSeconds: 0, ...spec },
  };
}

function busybox(name: string, script: string, more: object = {}): object {
  return { name, image: "busybox", command: ["sh", "-c", script], ...more };
}

function ready(name: string, timeout = "20s"): Promise<string> {
  return kubectl("wait", "--for=condition=Ready", `pod/${name}`, `--timeout=${timeout}`);
}

function phase(name: string, wanted: string): Promise<string> {
  return kubectl("wait", `--for=jsonpath={.status.phase}=${wanted}`, `pod/${name}`, "--timeout=20s");
}

describe("a pod's life", () => {
  test("kubectl run, get, describe, logs, exec, delete", async () => {
    await kubectl("run", "one", "--image=busybox", "--", "sh", "-c", "echo hello from one; sleep 600");
    await ready("one");
    assert.match(
      await kubectl("get", "pod", "one"),
      /NAME\s+READY\s+STATUS\s+RESTARTS\s+AGE\none\s+1\/1\s+Running\s+0/,
    );
    assert.match(await kubectl("get", "pod", "one", "-o", "wide"), /10\.\d+\.\d+\.\d+\s+\S+/);
    assert.equal(await kubectl("logs", "one"), "hello from one\n");
    assert.match(await kubectl("exec", "one", "--", "hostname"), /^one$/m);
    const described = await kubectl("describe", "pod", "one");
    for (const reason of ["Scheduled", "Pulled", "Created", "Started"])
      assert.match(described, new RegExp(`Normal\\s+${reason}`));
    const failed = await gantry.kubectl("exec", "one", "--", "sh", "-c", "exit 3");
    assert.equal(failed.code, 3);
    await kubectl("delete", "pod", "one", "--grace-period=1");
    assert.match((await gantry.kubectl("get", "pod", "one")).stderr, /pods "one" not found/);
    assert.equal((await ok(gantry.docker("ps", "-aq", "--filter", "label=io.kubernetes.pod.name=one"))).trim(), "");
  });

  test("exec -it has a terminal; logs -f follows to the end", async () => {
    await apply(
      pod("tty", {
        restartPolicy: "Never",
        containers: [busybox("main", "for i in 1 2 3 4; do echo line $i; sleep 0.2; done; sleep 2")],
      }),
    );
    await ready("tty");
    const shell = await ok(
      gantry.run("script", ["-qec", "kubectl exec -it tty -- sh -c 'tty; stty size; exit 0'", "/dev/null"]),
    );
    assert.match(shell, /\/dev\/(pts\/\d+|console)/);
    assert.equal(await kubectl("logs", "-f", "tty"), "line 1\nline 2\nline 3\nline 4\n");
  });

  test("containers of a pod share network and IPC, not the file system; all are listed", async () => {
    await apply(
      pod("pair", {
        containers: [
          busybox("server", "echo shared > /tmp/x; httpd -f -p 8080 -h /tmp"),
          busybox("client", "sleep 600"),
        ],
      }),
    );
    await ready("pair");
    assert.equal(
      await kubectl("exec", "pair", "-c", "client", "--", "wget", "-qO-", "http://localhost:8080/x"),
      "shared\n",
    );
    assert.notEqual((await gantry.kubectl("exec", "pair", "-c", "client", "--", "cat", "/tmp/x")).code, 0);
    const namespace = async (container: string, kind: string): Promise<string> =>
      kubectl("exec", "pair", "-c", container, "--", "readlink", `/proc/self/ns/${kind}`);
    assert.equal(await namespace("server", "net"), await namespace("client", "net"));
    assert.equal(await namespace("server", "ipc"), await namespace("client", "ipc"));
    assert.notEqual(await namespace("server", "mnt"), await namespace("client", "mnt"));
    assert.match(await kubectl("get", "pod", "pair"), /2\/2/);
  });
});

describe("restart policies and probes", () => {
  test("Never, OnFailure and Always", async () => {
    await apply(
      pod("never", { restartPolicy: "Never", containers: [busybox("main", "exit 4")] }),
      pod("done", { restartPolicy: "OnFailure", containers: [busybox("main", "exit 0")] }),
      pod("always", { containers: [busybox("main", "sleep 0.3; exit 1")] }),
    );
    await phase("never", "Failed");
    assert.equal(
      await kubectl("get", "pod", "never", "-o", "jsonpath={.status.containerStatuses[0].state.terminated.exitCode}"),
      "4",
    );
    await phase("done", "Succeeded");
    await kubectl(
      "wait",
      "--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=CrashLoopBackOff",
      "pod/always",
      "--timeout=20s",
    );
    assert.match(await kubectl("get", "pod", "always"), /CrashLoopBackOff\s+[1-9]/);
    assert.match(await kubectl("describe", "pod", "always"), /Back-off restarting failed container main in pod always/);
  });

  test("init containers run first, in order", async () => {
    const script = (text: string): string => `echo ${text} >> /shared/log`;
    await apply(
      pod("init", {
        volumes: [{ name: "shared", emptyDir: {} }],
        initContainers: [
          busybox("first", script("first"), { volumeMounts: [{ name: "shared", mountPath: "/shared" }] }),
          busybox("second", script("second"), { volumeMounts: [{ name: "shared", mountPath: "/shared" }] }),
        ],
        containers: [busybox("main", "sleep 600", { volumeMounts: [{ name: "shared", mountPath: "/shared" }] })],
      }),
    );
    await ready("init");
    assert.equal(await kubectl("exec", "init", "--", "cat", "/shared/log"), "first\nsecond\n");
  });

  test("readiness by http, liveness by exec, startup by tcp", async () => {
    await apply(
      pod("probed", {
        containers: [
          busybox(
            "main",
            "touch /tmp/alive; mkdir /www; (sleep 1; echo ok > /www/ready) & httpd -p 8080 -h /www; sleep 600",
            {
              ports: [{ name: "web", containerPort: 8080 }],
              startupProbe: { tcpSocket: { port: "web" }, periodSeconds: 1, failureThreshold: 20 },
              readinessProbe: { httpGet: { path: "/ready", port: "web" }, periodSeconds: 1 },
              livenessProbe: { exec: { command: ["cat", "/tmp/alive"] }, periodSeconds: 1, failureThreshold: 1 },
            },
          ),
        ],
      }),
    );
    await phase("probed", "Running");
    assert.match(await kubectl("get", "pod", "probed"), /0\/1\s+Running/);
    await ready("probed");
    await kubectl("exec", "probed", "--", "rm", "/tmp/alive");
    await kubectl(
      "wait",
      "--for=jsonpath={.status.containerStatuses[0].restartCount}=1",
      "pod/probed",
      "--timeout=20s",
    );
    assert.match(await kubectl("describe", "pod", "probed"), /Liveness probe failed: cat: can't open/);
  });
});

describe("configuration and limits", () => {
  test("env from everywhere, configMap and secret volumes that follow their objects", async () => {
    await apply(
      {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: "settings" },
        data: { colour: "blue", "app.conf": "x=1" },
      },
      { apiVersion: "v1", kind: "Secret", metadata: { name: "hidden" }, stringData: { password: "geheim" } },
      pod("configured", {
        volumes: [
          { name: "config", configMap: { name: "settings" } },
          { name: "secret", secret: { secretName: "hidden", defaultMode: 0o400 } },
        ],
        containers: [
          busybox("main", "sleep 600", {
            env: [
              { name: "PLAIN", value: "a-$(COLOUR)" },
              { name: "COLOUR", valueFrom: { configMapKeyRef: { name: "settings", key: "colour" } } },
              { name: "PASSWORD", valueFrom: { secretKeyRef: { name: "hidden", key: "password" } } },
              { name: "NODE", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
              { name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
              { name: "LATER", value: "$(COLOUR)" },
            ],
            volumeMounts: [
              { name: "config", mountPath: "/etc/settings" },
              { name: "secret", mountPath: "/etc/hidden" },
            ],
          }),
        ],
      }),
    );
    await ready("configured");
    const env = await kubectl("exec", "configured", "--", "env");
    assert.match(env, /^PLAIN=a-\$\(COLOUR\)$/m, "a reference to what comes later stays as it is");
    assert.match(env, /^LATER=blue$/m);
    assert.match(env, /^PASSWORD=geheim$/m);
    assert.match(env, /^IP=10\./m);
    assert.match(env, /^KUBERNETES_SERVICE_HOST=10\./m);
    assert.equal(
      await kubectl("exec", "configured", "--", "cat", "/etc/settings/app.conf", "/etc/hidden/password"),
      "x=1geheim",
    );
    await kubectl("patch", "configmap", "settings", "-p", '{"data":{"app.conf":"x=2"}}');
    const seen = await kubectl(
      "exec",
      "configured",
      "--",
      "sh",
      "-c",
      "for i in $(seq 50); do grep -q x=2 /etc/settings/app.conf && echo new && exit; sleep 0.1; done; echo old",
    );
    assert.equal(seen, "new\n");
    assert.notEqual(
      (await gantry.kubectl("exec", "configured", "--", "sh", "-c", "echo > /etc/settings/app.conf")).code,
      0,
      "configMap volumes are read-only",
    );
  });

  test("requests and limits land in the cgroup; a pod over its limit is OOMKilled", async () => {
    await apply(
      pod("limited", {
        containers: [
          busybox("main", "sleep 600", {
            resources: { requests: { cpu: "100m", memory: "32Mi" }, limits: { cpu: "500m", memory: "64Mi" } },
          }),
        ],
      }),
      pod("greedy", {
        restartPolicy: "Never",
        containers: [busybox("main", "head -c 200m /dev/zero | tail", { resources: { limits: { memory: "16Mi" } } })],
      }),
    );
    await ready("limited");
    const uid = await kubectl("get", "pod", "limited", "-o", "jsonpath={.metadata.uid}");
    const id = (
      await kubectl("get", "pod", "limited", "-o", "jsonpath={.status.containerStatuses[0].containerID}")
    ).replace("gantry://", "");
    const directory = `/kubepods/burstable/pod${uid}/${id}`;
    if (existsSync("/sys/fs/cgroup/memory")) {
      assert.equal(
        readFileSync(`/sys/fs/cgroup/memory${directory}/memory.limit_in_bytes`, "utf8").trim(),
        String(64 * 2 ** 20),
      );
      assert.equal(readFileSync(`/sys/fs/cgroup/cpu${directory}/cpu.cfs_quota_us`, "utf8").trim(), "50000");
      assert.equal(readFileSync(`/sys/fs/cgroup/cpu${directory}/cpu.shares`, "utf8").trim(), "102");
    } else {
      assert.equal(readFileSync(`/sys/fs/cgroup${directory}/memory.max`, "utf8").trim(), String(64 * 2 ** 20));
      assert.equal(readFileSync(`/sys/fs/cgroup${directory}/cpu.max`, "utf8").trim(), "50000 100000");
    }
    assert.equal(await kubectl("get", "pod", "limited", "-o", "jsonpath={.status.qosClass}"), "Burstable");
    await phase("greedy", "Failed");
    assert.equal(
      await kubectl("get", "pod", "greedy", "-o", "jsonpath={.status.containerStatuses[0].state.terminated.reason}"),
      "OOMKilled",
    );
  });

  test("an image that is not there, a configMap that is missing: the reason is in the status", async () => {
    await apply(
      pod("absent", { containers: [{ name: "main", image: "nosuch", imagePullPolicy: "Never" }] }),
      pod("unconfigured", {
        containers: [
          busybox("main", "true", {
            env: [{ name: "A", valueFrom: { configMapKeyRef: { name: "nosuch", key: "a" } } }],
          }),
        ],
      }),
    );
    await kubectl(
      "wait",
      "--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=ErrImageNeverPull",
      "pod/absent",
      "--timeout=10s",
    );
    await kubectl(
      "wait",
      "--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=CreateContainerConfigError",
      "pod/unconfigured",
      "--timeout=10s",
    );
    assert.match(await kubectl("describe", "pod", "unconfigured"), /configmap "nosuch" not found/);
  });
});

describe("services and names", () => {
  test("deployment behind a ClusterIP, a NodePort and a name; rolling update; self-healing", async () => {
    await kubectl(
      "create",
      "deployment",
      "web",
      "--image=busybox",
      "--replicas=2",
      "--port=8080",
      "--",
      "sh",
      "-c",
      "hostname > /tmp/index.html; exec httpd -f -p 8080 -h /tmp",
    );
    await kubectl("expose", "deployment", "web", "--type=NodePort", "--port=80", "--target-port=8080");
    await kubectl("rollout", "status", "deployment/web", "--timeout=30s");
    await apply(pod("client", { containers: [busybox("main", "sleep 600")] }));
    await ready("client");
    const names = new Set<string>();
    for (let i = 0; i < 12; i++)
      names.add((await kubectl("exec", "client", "--", "wget", "-qO-", "http://web.default.svc.cluster.local")).trim());
    assert.equal(names.size, 2, `both pods answer by name: ${[...names].join(", ")}`);
    const address = await kubectl("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}");
    assert.match(await kubectl("exec", "client", "--", "wget", "-qO-", `http://${address}`), /^web-/);
    assert.match(
      await kubectl("exec", "client", "--", "nslookup", "web.default.svc.cluster.local"),
      new RegExp(address.replaceAll(".", "\\.")),
    );
    const nodePort = await kubectl("get", "service", "web", "-o", "jsonpath={.spec.ports[0].nodePort}");
    assert.match(await ok(gantry.run("curl", ["-s", `http://127.0.0.1:${nodePort}`])), /^web-/);
    await kubectl("delete", "pod", "-l", "app=web", "--grace-period=0", "--force");
    await kubectl("rollout", "status", "deployment/web", "--timeout=30s");
    await kubectl("set", "env", "deployment/web", "VERSION=2");
    await kubectl("rollout", "status", "deployment/web", "--timeout=30s");
    assert.match(await kubectl("rollout", "history", "deployment/web"), /2/);
    assert.match(await kubectl("get", "deployment", "web"), /2\/2\s+2\s+2/);
  });

  test("what was loaded by docker is a pod at once, and the node is there to be seen", async () => {
    assert.match(await kubectl("get", "nodes", "-o", "wide"), /Ready\s+\S*\s+\S+\s+v1\.36/);
    assert.match(await ok(gantry.docker("ps")), /k8s_/);
    assert.match(await kubectl("describe", "node"), /Allocatable|Allocated resources/);
  });

  test("pods live through kill -9 of the daemon", async () => {
    const before = await kubectl("get", "pod", "client", "-o", "jsonpath={.status.containerStatuses[0].containerID}");
    await gantry.kill();
    await gantry.restart();
    await ready("client");
    assert.equal(
      await kubectl("get", "pod", "client", "-o", "jsonpath={.status.containerStatuses[0].containerID}"),
      before,
    );
    assert.equal(
      await kubectl("get", "pod", "client", "-o", "jsonpath={.status.containerStatuses[0].restartCount}"),
      "0",
    );
    assert.match(await kubectl("exec", "client", "--", "wget", "-qO-", "http://web"), /^web-/);
  });
});
