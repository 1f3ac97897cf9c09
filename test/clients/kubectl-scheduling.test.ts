// Each scheduling example with the real kubectl: six simulated nodes of two zones beside this machine's own, which is cordoned.
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { startGantry, type Result, type TestGantry } from "#test/gantry.ts";

let gantry: TestGantry;
const bin = new URL("../../bin/gantry", import.meta.url).pathname;
const NODES = [1, 2, 3, 4, 5, 6].map((number) => `simulated-${number}`);

before(async () => {
  // What is tested are the sources, not the bundle of some time ago.
  process.env["GANTRY_SOURCE"] = "1";
  gantry = await startGantry({ flags: ["--simulated-nodes", "6", "--no-docker"] });
  await kubectl("cordon", gantry.status.nodeName ?? "");
  for (const [index, node] of NODES.entries()) {
    await kubectl("label", "node", node, `topology.kubernetes.io/zone=zone-${index % 2}`, `size=${index + 1}`);
  }
  await kubectl("label", "node", "simulated-3", "disk=ssd");
});
after(() => gantry.stop());

async function kubectl(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await gantry.kubectl(...args);
  assert.equal(code, 0, `kubectl ${args.join(" ")}: ${stderr}`);
  return stdout;
}

async function apply(...objects: object[]): Promise<void> {
  const input = JSON.stringify({ apiVersion: "v1", kind: "List", items: objects });
  const { code, stderr } = await gantry.run("kubectl", ["create", "-f", "-"], { input });
  assert.equal(code, 0, stderr);
}

const container = { name: "c", image: "example" };

function pod(name: string, spec: object = {}, labels: Record<string, string> = { app: name }): object {
  return { apiVersion: "v1", kind: "Pod", metadata: { name, labels }, spec: { containers: [container], ...spec } };
}

async function nodeOf(name: string): Promise<string> {
  await kubectl("wait", "--for=condition=PodScheduled", "--timeout=60s", `pod/${name}`);
  return kubectl("get", "pod", name, "-o", "jsonpath={.spec.nodeName}");
}

/** The pod waits, and an event says why. */
async function refusal(name: string): Promise<string> {
  await kubectl("wait", "--for=jsonpath={.status.conditions[0].reason}=Unschedulable", "--timeout=60s", `pod/${name}`);
  return kubectl("get", "pod", name, "-o", "jsonpath={.status.conditions[0].message}");
}

function own(...args: string[]): Promise<Result> {
  return gantry.run(bin, ["--root", gantry.root, ...args]);
}

describe("node selector and node affinity", () => {
  const nodeAffinity = (...matchExpressions: object[]): object => ({
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions }] },
      },
    },
  });
  const OPERATORS: readonly (readonly [name: string, expressions: object[], nodes: readonly string[]])[] = [
    ["in", [{ key: "size", operator: "In", values: ["2"] }], ["simulated-2"]],
    ["not-in", [{ key: "size", operator: "NotIn", values: ["1", "2", "3", "4", "5"] }], ["simulated-6"]],
    ["exists", [{ key: "disk", operator: "Exists" }], ["simulated-3"]],
    ["does-not-exist", [{ key: "disk", operator: "DoesNotExist" }], NODES.filter((node) => node !== "simulated-3")],
    ["gt", [{ key: "size", operator: "Gt", values: ["5"] }], ["simulated-6"]],
    ["lt", [{ key: "size", operator: "Lt", values: ["2"] }], ["simulated-1"]],
  ];

  test("all operators of a required term, and nodeSelector", async () => {
    await apply(
      ...OPERATORS.map(([name, expressions]) => pod(name, nodeAffinity(...expressions))),
      pod("selects", { nodeSelector: { disk: "ssd" } }),
    );
    for (const [name, , nodes] of OPERATORS) assert.ok(nodes.includes(await nodeOf(name)), name);
    assert.equal(await nodeOf("selects"), "simulated-3");
  });

  test("a preferred term decides between nodes, and does not keep the pod from running", async () => {
    const prefer = (value: string): object => ({
      affinity: {
        nodeAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 100, preference: { matchExpressions: [{ key: "size", operator: "In", values: [value] }] } },
          ],
        },
      },
    });
    await apply(pod("prefers-5", prefer("5")), pod("prefers-none", prefer("99")));
    assert.equal(await nodeOf("prefers-5"), "simulated-5");
    assert.ok(NODES.includes(await nodeOf("prefers-none")));
  });
});

describe("taints and tolerations", () => {
  test("NoSchedule keeps off who does not tolerate it, by Equal or Exists; a trailing - takes it away", async () => {
    const here = { nodeSelector: { size: "1" } };
    const tolerating = (toleration: object): object => ({ ...here, tolerations: [toleration] });
    await kubectl("taint", "nodes", "simulated-1", "spray=mortein:NoSchedule");
    await apply(
      pod("equal", tolerating({ key: "spray", operator: "Equal", value: "mortein", effect: "NoSchedule" })),
      pod("exists-key", tolerating({ key: "spray", operator: "Exists" })),
      pod("other-value", tolerating({ key: "spray", operator: "Equal", value: "other", effect: "NoSchedule" })),
    );
    assert.equal(await nodeOf("equal"), "simulated-1");
    assert.equal(await nodeOf("exists-key"), "simulated-1");
    assert.match(await refusal("other-value"), /1 node\(s\) had untolerated taint\(s\)/);
    await kubectl("taint", "nodes", "simulated-1", "spray=mortein:NoSchedule-");
    assert.equal(await nodeOf("other-value"), "simulated-1");
  });

  test("PreferNoSchedule is avoided where it can be", async () => {
    const first = { nodeSelector: { "topology.kubernetes.io/zone": "zone-0" } };
    await kubectl("taint", "nodes", "simulated-1", "simulated-3", "slow=yes:PreferNoSchedule");
    await apply(pod("avoids", first));
    assert.equal(await nodeOf("avoids"), "simulated-5");
    await kubectl("taint", "nodes", "simulated-1", "simulated-3", "slow-");
  });

  test("NoExecute drives out who does not tolerate it, and after tolerationSeconds who does for a while", async () => {
    const here = { nodeSelector: { size: "4" } };
    const stay = (name: string, seconds?: number): object => {
      const toleration = { key: "maintenance", operator: "Exists", effect: "NoExecute" };
      return pod(name, {
        ...here,
        tolerations: [seconds === undefined ? toleration : { ...toleration, tolerationSeconds: seconds }],
      });
    };
    await apply(pod("leaves", here), stay("stays"), stay("stays-a-while", 1));
    for (const name of ["leaves", "stays", "stays-a-while"]) assert.equal(await nodeOf(name), "simulated-4");
    await kubectl("taint", "nodes", "simulated-4", "maintenance=now:NoExecute");
    await kubectl("wait", "--for=delete", "--timeout=60s", "pod/leaves", "pod/stays-a-while");
    assert.equal(await nodeOf("stays"), "simulated-4");
    await kubectl("taint", "nodes", "simulated-4", "maintenance-");
  });
});

describe("pod affinity and anti-affinity", () => {
  const term = (app: string, topologyKey: string): object => ({ topologyKey, labelSelector: { matchLabels: { app } } });
  const ZONE = "topology.kubernetes.io/zone";
  const HOST = "kubernetes.io/hostname";

  test("near and away, hard and soft", async () => {
    await apply(pod("anchor", { nodeSelector: { size: "2" } }));
    assert.equal(await nodeOf("anchor"), "simulated-2");
    const hard = (kind: string, ...terms: object[]): object => ({
      affinity: { [kind]: { requiredDuringSchedulingIgnoredDuringExecution: terms } },
    });
    const soft = (kind: string, podAffinityTerm: object): object => ({
      affinity: { [kind]: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, podAffinityTerm }] } },
    });
    await apply(
      pod("near-zone", hard("podAffinity", term("anchor", ZONE))),
      pod("near-host", hard("podAffinity", term("anchor", HOST))),
      pod("away-zone", hard("podAntiAffinity", term("anchor", ZONE))),
      pod("likes-host", soft("podAffinity", term("anchor", HOST))),
      pod("dislikes-zone", soft("podAntiAffinity", term("anchor", ZONE))),
      pod("near-nobody", hard("podAffinity", term("nobody", ZONE))),
    );
    const evenZone = ["simulated-2", "simulated-4", "simulated-6"];
    assert.ok(evenZone.includes(await nodeOf("near-zone")));
    assert.equal(await nodeOf("near-host"), "simulated-2");
    assert.ok(!evenZone.includes(await nodeOf("away-zone")));
    assert.equal(await nodeOf("likes-host"), "simulated-2");
    assert.ok(!evenZone.includes(await nodeOf("dislikes-zone")));
    assert.match(await refusal("near-nobody"), /didn't match pod affinity rules/);
  });

  test("a Redis cluster of six takes six nodes, one each; a seventh waits, and why says what would help", async () => {
    const labels = { app: "redis" };
    const affinity = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term("redis", HOST)] } };
    await apply({
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      metadata: { name: "redis" },
      spec: {
        serviceName: "redis",
        replicas: 7,
        podManagementPolicy: "Parallel",
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [container], affinity } },
      },
    });
    await kubectl("wait", "--for=jsonpath={.status.readyReplicas}=6", "--timeout=60s", "statefulset/redis");
    const names = await kubectl("get", "pods", "-l", "app=redis", "-o", "jsonpath={.items[*].spec.nodeName}");
    assert.deepEqual(names.split(" ").sort(), NODES);
    const waiting = await kubectl("get", "pods", "-l", "app=redis", "--field-selector=spec.nodeName=", "-o", "name");
    const name = waiting.trim().replace("pod/", "");
    assert.match(await refusal(name), /6 node\(s\) didn't match pod anti-affinity rules/);
    const why = await own("why", name, "-o", "json");
    assert.equal(why.code, 2, why.stderr);
    const said = JSON.parse(why.stdout) as {
      kind: string;
      reasons: { reason: string; count: number }[];
      remedies: { changes: string[] }[];
    };
    assert.equal(said.kind, "PodScheduling");
    assert.equal(said.reasons[0]?.count, 6);
    // Its own rule is not all: the six others keep it away, too. This machine's node would do.
    assert.deepEqual(said.remedies[0]?.changes, [`uncordon node ${gantry.status.nodeName ?? ""}`]);
    assert.match((await own("why", `pod/${name}`)).stdout, /What would let it run/);
    const placed = await own("why", "redis-0");
    assert.equal(placed.code, 0);
    assert.match(placed.stdout, /How the best nodes scored/);
    await kubectl("delete", "statefulset", "redis", "--wait=false");
  });
});

test("a pod goes where its disk is reachable, and replicas spread over zones", async () => {
  const metadata = { name: "disk" };
  const terms = [{ matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: ["simulated-6"] }] }];
  const claim = {
    accessModes: ["ReadWriteOnce"],
    storageClassName: "local",
    resources: { requests: { storage: "1Gi" } },
  };
  const labels = { app: "spread" };
  const constraint = { maxSkew: 1, whenUnsatisfiable: "DoNotSchedule", labelSelector: { matchLabels: labels } };
  await apply(
    {
      apiVersion: "storage.k8s.io/v1",
      kind: "StorageClass",
      metadata: { name: "local" },
      provisioner: "kubernetes.io/no-provisioner",
      volumeBindingMode: "WaitForFirstConsumer",
    },
    {
      apiVersion: "v1",
      kind: "PersistentVolume",
      metadata,
      spec: {
        capacity: { storage: "1Gi" },
        accessModes: ["ReadWriteOnce"],
        storageClassName: "local",
        local: { path: "/mnt/disk" },
        nodeAffinity: { required: { nodeSelectorTerms: terms } },
      },
    },
    { apiVersion: "v1", kind: "PersistentVolumeClaim", metadata, spec: claim },
    pod("uses-disk", { volumes: [{ name: "v", persistentVolumeClaim: { claimName: "disk" } }] }),
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "spread" },
      spec: {
        replicas: 4,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            containers: [container],
            topologySpreadConstraints: [{ ...constraint, topologyKey: "topology.kubernetes.io/zone" }],
          },
        },
      },
    },
  );
  assert.equal(await nodeOf("uses-disk"), "simulated-6");
  await kubectl("rollout", "status", "deployment/spread", "--timeout=60s");
  const names = await kubectl("get", "pods", "-l", "app=spread", "-o", "jsonpath={.items[*].spec.nodeName}");
  const inFirst = names.split(" ").filter((name) => ["simulated-1", "simulated-3", "simulated-5"].includes(name));
  assert.equal(inFirst.length, 2);
});

const CONFIG = `
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- plugins: {multiPoint: {enabled: [{name: Only}]}}
  pluginConfig: [{name: Only, args: {node: simulated-2}}]
`;
const PLUGINS = `
export function Only({ node }: { readonly node: string }) {
  const REFUSED = { plugin: "Only", code: "Unschedulable", reasons: ["another node"] };
  return {
    name: "Only",
    preFilter: ({ cluster }: { cluster: { rowByName: Map<string, number> } }) => {
      const wanted = cluster.rowByName.get(node);
      return { kind: "filter", filter: (row: number) => (row === wanted ? undefined : REFUSED) };
    },
  };
}
`;

describe("several schedulers", () => {
  let other: ChildProcess | undefined;
  let log = "";
  after(async () => {
    if (!other || other.exitCode !== null) return;
    other.kill("SIGTERM");
    await once(other, "exit");
  });

  test("a pod of another scheduler's name waits for it; that one places it, and its events and log say so", async () => {
    await apply(pod("theirs", { schedulerName: "my-scheduler" }), pod("ours"));
    assert.ok(NODES.includes(await nodeOf("ours")));
    assert.equal(await kubectl("get", "pod", "theirs", "-o", "jsonpath={.spec.nodeName}"), "");
    assert.match((await own("why", "theirs")).stdout, /scheduler "my-scheduler" is not part of this process/);
    const flags = ["--scheduler-name=my-scheduler", "--leader-elect", "--lock-object-name=my-scheduler"];
    flags.push("--config", `${gantry.root}/scheduler.yaml`, "--plugins", `${gantry.root}/plugins.ts`);
    await writeFile(`${gantry.root}/scheduler.yaml`, CONFIG);
    await writeFile(`${gantry.root}/plugins.ts`, PLUGINS);
    const args = ["scheduler", "--kubeconfig", `${gantry.root}/kubeconfig`, ...flags];
    other = spawn(bin, args, { env: gantry.env, stdio: ["ignore", "ignore", "pipe"] });
    other.stderr?.setEncoding("utf8").on("data", (text: string) => (log += text));
    other.once("exit", (code) => (log += `exit code ${code}`));
    assert.equal(await nodeOf("theirs").catch((error: unknown) => `${String(error)}: ${log}`), "simulated-2");
    const lease = await kubectl(
      "get",
      "lease",
      "-n",
      "kube-system",
      "my-scheduler",
      "-o",
      "jsonpath={.spec.holderIdentity}",
    );
    assert.notEqual(lease, "");
    const about = "--field-selector=involvedObject.name=theirs,reason=Scheduled";
    const seen = await kubectl("get", "events", about, "-o", "jsonpath={.items[0].source.component}");
    assert.equal(seen, "my-scheduler");
    assert.match(log, /"pod":"default\/theirs".*pod placed/);
    other.kill("SIGTERM");
    const [code] = (await once(other, "exit")) as [number | null];
    assert.equal(code, 0, log);
    const released = await kubectl(
      "get",
      "lease",
      "-n",
      "kube-system",
      "my-scheduler",
      "-o",
      "jsonpath={.spec.holderIdentity}",
    );
    assert.equal(released, "");
  });

  test("a pod is bound by hand, once", async () => {
    await apply(pod("by-hand", { schedulerName: "nobody" }));
    const target = { apiVersion: "v1", kind: "Node", name: "simulated-2" };
    const input = JSON.stringify({ apiVersion: "v1", kind: "Binding", metadata: { name: "by-hand" }, target });
    const bind = () =>
      gantry.run("kubectl", ["create", "--raw", "/api/v1/namespaces/default/pods/by-hand/binding", "-f", "-"], {
        input,
      });
    const { code, stderr } = await bind();
    assert.equal(code, 0, stderr);
    assert.equal(await nodeOf("by-hand"), "simulated-2");
    assert.match((await bind()).stderr, /pod by-hand is already assigned to node "simulated-2"/);
  });
});

test("plan says what more would fit, changing nothing", async () => {
  const spec = { containers: [{ ...container, resources: { requests: { cpu: "5" } } }] };
  const labels = { app: "big" };
  const manifest = JSON.stringify({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "big" },
    spec: { replicas: 8, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  });
  const before = await kubectl("get", "pods", "-o", "name");
  const plan = async (...args: string[]) => {
    const flags = ["plan", "-f", "-", "--from-cluster", "-o", "json", ...args];
    const { code, stdout, stderr } = await gantry.run(bin, ["--root", gantry.root, ...flags], { input: manifest });
    assert.ok(code === 0 || code === 2, stderr);
    const { pods } = JSON.parse(stdout) as { pods: { node?: string; workload?: string }[] };
    assert.ok(pods.every(({ workload }) => workload === "Deployment/big"));
    return { code, placed: pods.filter(({ node }) => node !== undefined).length };
  };
  assert.deepEqual(await plan(), { code: 2, placed: 6 });
  assert.deepEqual(await plan("--nodes", "2x8cpu32Gi,zone=2"), { code: 0, placed: 8 });
  assert.equal(await kubectl("get", "pods", "-o", "name"), before);
});
