// Pods, services and nodes with an address of each family, over two nodes, with the real kubectl.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { isIPv4, isIPv6 } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { startGantry, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";
import { busybox, ok, pod, podTools } from "#test/pods.ts";

let gantry: TestGantry;
const tools = podTools(() => gantry);
const { kubectl, apply, ready, sh } = tools;
const NODES = ["beta", "beta-2"];

function webOn(node: string): object {
  const script = `mkdir /w; echo ${node} > /w/index.html; exec httpd -f -p 8080 -h /w`;
  const env = [
    { name: "IPS", valueFrom: { fieldRef: { fieldPath: "status.podIPs" } } },
    { name: "HOSTS", valueFrom: { fieldRef: { fieldPath: "status.hostIPs" } } },
  ];
  const containers = [busybox("main", script, { env, ports: [{ containerPort: 8080, hostPort: 18080 }] })];
  return pod(`web-${node}`, { nodeName: node, containers }, { labels: { app: "web", on: node } });
}

function service(name: string, spec: object): object {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name },
    spec: { ports: [{ port: 80, targetPort: 8080 }], ...spec },
  };
}

async function ask(from: string, host: string, port: number): Promise<string> {
  const script = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 1 ${host} ${port} 2>&1 | tail -n 1; true`;
  return (await sh(`web-${from}`, script)).trim();
}

async function list(kind: string, name: string, path: string): Promise<string[]> {
  return (await kubectl("get", kind, name, "-o", `jsonpath={${path}}`)).split(" ").filter((one) => one !== "");
}

/** Asks until the answer is as wanted: rules and names follow the API a moment later. */
async function eventually(wanted: RegExp, get: () => Promise<string>): Promise<void> {
  let answer = "";
  for (let tries = 0; tries < 40; tries++) {
    answer = await get();
    if (wanted.test(answer)) return;
  }
  assert.match(answer, wanted);
}

before(async () => {
  const flags = ["--node-name", "beta", "--nodes", "2", "--pod-cidr", "10.244.0.0/16,fd00:10:244::/48"];
  gantry = await startGantry({ flags: [...flags, "--service-cidr", "10.96.0.0/16,fd00:10:96::/108"] });
  await gantry.docker("load", "-i", await testImage("busybox"));
  await apply(...NODES.map(webOn));
  for (const node of NODES) await ready(`web-${node}`);
});

describe("a root that was started with one family", () => {
  test("has two from the next start on, and its node keeps what others gave it", async () => {
    const root = await mkdtemp(join(tmpdir(), "gantry-test-"));
    const flags = ["--node-name", "gamma", "--no-docker"];
    const first = await startGantry({ root, flags });
    await ok(first.kubectl("label", "node", "gamma", "disk=ssd"));
    await ok(first.kubectl("taint", "node", "gamma", "own=yes:NoExecute"));
    await first.stop();
    const ranges = ["--pod-cidr", "10.246.0.0/16,fd00:10:246::/56", "--service-cidr", "10.98.0.0/16,fd00:10:98::/112"];
    const second = await startGantry({ root, flags: [...flags, ...ranges] });
    const path = "jsonpath={.spec.podCIDRs} {.metadata.labels.disk} {.spec.taints[*].key}";
    assert.equal(
      await ok(second.kubectl("get", "node", "gamma", "-o", path)),
      '["10.246.0.0/24","fd00:10:246::/64"] ssd own',
    );
    await second.stop();
    await rm(root, { recursive: true, force: true });
  });

  test("half of it is refused by name", async () => {
    const flags = ["--pod-cidr", "10.244.0.0/16,fd00::/48"];
    await assert.rejects(startGantry({ flags }), /--pod-cidr and --service-cidr must both have an IPv6 range/);
  });
});

describe("two families of addresses", () => {
  test("nodes and pods have one of each, and pods see theirs", async () => {
    for (const node of NODES) {
      const internal = await list("node", node, '.status.addresses[?(@.type=="InternalIP")].address');
      assert.deepEqual(
        internal.map((one) => one.includes(":")),
        [false, true],
        internal.join(),
      );
      const ranges = await list("node", node, ".spec.podCIDRs[*]");
      assert.match(ranges.join(), /^10\.244\.\d+\.0\/24,fd00:10:244:.*\/64$/);
      const ips = await list("pod", `web-${node}`, ".status.podIPs[*].ip");
      assert.ok(isIPv4(ips[0] ?? "") && isIPv6(ips[1] ?? ""), ips.join());
      assert.deepEqual(await list("pod", `web-${node}`, ".status.hostIPs[*].ip"), internal);
      assert.equal((await sh(`web-${node}`, "echo $IPS $HOSTS")).trim(), `${ips.join()} ${internal.join()}`);
      const hosts = await sh(`web-${node}`, "cat /etc/hosts");
      for (const ip of ips) assert.ok(hosts.includes(`${ip}\tweb-${node}`), hosts);
    }
  });

  test("pods reach each other over IPv6, within a node and across", async () => {
    for (const from of NODES)
      for (const to of NODES) {
        const [, ip = ""] = await list("pod", `web-${to}`, ".status.podIPs[*].ip");
        assert.equal(await ask(from, ip, 8080), to, `${from} to ${to}`);
      }
  });

  test("a service has the families that its policy says, reached and found by both", async () => {
    await apply(
      service("both", { selector: { app: "web" }, ipFamilyPolicy: "RequireDualStack", type: "NodePort" }),
      service("six", { selector: { on: "beta-2" }, ipFamilies: ["IPv6"] }),
      service("one", { selector: { app: "web" } }),
      service("each", { selector: { app: "web" }, clusterIP: "None", ipFamilyPolicy: "PreferDualStack" }),
    );
    const both = await list("service", "both", ".spec.clusterIPs[*]");
    assert.match(both.join(), /^10\.96\.[\d.]+,fd00:10:96::/);
    assert.deepEqual(await list("service", "both", ".spec.ipFamilies[*]"), ["IPv4", "IPv6"]);
    assert.match((await list("service", "six", ".spec.clusterIPs[*]")).join(), /^fd00:10:96::[0-9a-f:]+$/);
    assert.deepEqual(await list("service", "one", ".spec.ipFamilies[*]"), ["IPv4"]);
    for (const from of NODES) {
      for (const ip of both) await eventually(/^beta(-2)?$/, () => ask(from, ip, 80));
      await eventually(/^beta-2$/, () => ask(from, "six", 80));
    }
    const looked = await sh("web-beta", "nslookup -type=aaaa both.default.svc.cluster.local");
    assert.ok(looked.includes(`Address: ${both[1]}`), looked);
    const [, pod6 = ""] = await list("pod", "web-beta-2", ".status.podIPs[*].ip");
    await eventually(new RegExp(`Address: ${pod6}`), () =>
      sh("web-beta", "nslookup -type=aaaa each.default.svc.cluster.local"),
    );
    assert.match(await sh("web-beta", `nslookup ${both[1]}`), /name = both\.default\.svc\.cluster\.local/);
  });

  test("node ports and host ports answer at a node's IPv6 address", async () => {
    const [port = ""] = await list("service", "both", ".spec.ports[0].nodePort");
    for (const node of NODES) {
      const [, ip = ""] = await list("pod", `web-${node}`, ".status.hostIPs[*].ip");
      const get = async (at: string): Promise<string> =>
        (await gantry.run("curl", ["-sS", "--max-time", "2", `http://[${ip}]:${at}/`])).stdout.trim();
      await eventually(/^beta(-2)?$/, () => get(port));
      assert.equal(await get("18080"), node);
    }
  });

  test("a service gains and loses its second address with its policy", async () => {
    const patch = (policy: string): Promise<string> =>
      kubectl("patch", "service", "one", "-p", JSON.stringify({ spec: { ipFamilyPolicy: policy } }));
    await patch("PreferDualStack");
    const [, six = ""] = await list("service", "one", ".spec.clusterIPs[*]");
    await eventually(/^beta(-2)?$/, () => ask("beta-2", six, 80));
    await patch("SingleStack");
    assert.equal((await list("service", "one", ".spec.clusterIPs[*]")).length, 1);
    assert.deepEqual(await list("service", "one", ".spec.ipFamilies[*]"), ["IPv4"]);
    await eventually(/refused|unreachable|timed out|^$/, () => ask("beta-2", six, 80));
  });

  test("policies hold for both families", async () => {
    const spec = { podSelector: { matchLabels: { on: "beta-2" } }, policyTypes: ["Ingress"] };
    await apply({ apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { name: "closed" }, spec });
    for (const ip of await list("pod", "web-beta-2", ".status.podIPs[*].ip"))
      await eventually(/timed out|^$/, () => ask("beta", ip, 8080));
    await kubectl("delete", "networkpolicy", "closed");
  });

  test("what a cluster does not have is refused in Kubernetes' words", async () => {
    const wrong = service("wrong", {
      selector: { a: "b" },
      ipFamilyPolicy: "SingleStack",
      ipFamilies: ["IPv4", "IPv6"],
    });
    const { code, stderr } = await gantry.run("kubectl", ["apply", "-f", "-"], { input: JSON.stringify(wrong) });
    assert.equal(code, 1);
    assert.match(stderr, /must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified/);
    await ok(gantry.kubectl("get", "servicecidr", "kubernetes"));
  });
});
