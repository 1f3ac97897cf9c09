// Services with the real kubectl: found by name, reached by cluster address, node port and host port.
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { startGantry, type Result, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";

let gantry: TestGantry;

async function ok(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await gantry.kubectl(...args);
  assert.equal(code, 0, `kubectl ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}

const apply = (document: object): Promise<Result> =>
  gantry.run("kubectl", ["apply", "-f", "-"], { input: JSON.stringify(document) });

/** A deployment of web servers that say their pod's name. */
function webDeployment(name: string, replicas: number): object {
  const script = "mkdir /w; hostname > /w/index.html; exec httpd -f -p 8080 -h /w";
  const container = {
    name: "web",
    image: "busybox",
    imagePullPolicy: "Never",
    command: ["sh", "-c", script],
    ports: [{ containerPort: 8080 }],
    readinessProbe: { httpGet: { path: "/", port: 8080 }, periodSeconds: 1 },
  };
  const labels = { app: name };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [container], terminationGracePeriodSeconds: 1 } },
    },
  };
}

/** The last line of what a server says, from the pod `client`. */
async function fetchFrom(host: string, port: number, pod = "client"): Promise<string> {
  const script = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 ${host} ${port} 2>&1 | tail -n 1`;
  const { stdout, stderr } = await gantry.kubectl("exec", pod, "--", "sh", "-c", script);
  return stdout.trim() || stderr.trim();
}

async function get(url: string): Promise<string> {
  const { stdout, stderr } = await gantry.run("curl", ["-sS", "--max-time", "3", url]);
  return stdout.trim() || stderr.trim();
}

before(async () => {
  gantry = await startGantry();
  await gantry.docker("load", "-i", await testImage("busybox"));
  await ok("run", "client", "--image=busybox", "--image-pull-policy=Never", "--command", "--", "sleep", "600");
  await apply(webDeployment("web", 2));
  await ok("rollout", "status", "deployment/web", "--timeout=60s");
  await ok("wait", "--for=condition=Ready", "pod/client", "--timeout=60s");
});

describe("services", () => {
  test("are found by name in every form, and lead to every pod", async () => {
    await ok("expose", "deployment", "web", "--port=80", "--target-port=8080");
    const names = (await ok("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].metadata.name}"))
      .split(" ")
      .sort();
    for (const host of ["web", "web.default", "web.default.svc.cluster.local"])
      assert.ok(names.includes(await fetchFrom(host, 80)), host);
    const seen = new Set<string>();
    for (let times = 0; times < 30 && seen.size < 2; times++) seen.add(await fetchFrom("web", 80));
    assert.deepEqual([...seen].sort(), names);
    const address = await ok("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}");
    assert.ok(names.includes(await get(`http://${address}/`)), "from the node");
    const looked = await ok("exec", "client", "--", "nslookup", "kubernetes.default.svc.cluster.local");
    assert.match(looked, /Name:\s+kubernetes\.default\.svc\.cluster\.local\nAddress: \d/);
  });

  test("a node port answers on the node, also on localhost", async () => {
    await apply({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "outside" },
      spec: { type: "NodePort", selector: { app: "web" }, ports: [{ port: 80, targetPort: 8080, nodePort: 30123 }] },
    });
    let answer = "";
    for (let tries = 0; tries < 50 && !answer.startsWith("web-"); tries++)
      answer = await get("http://127.0.0.1:30123/");
    assert.match(answer, /^web-/);
  });

  test("scaling to nothing makes connections fail at once, and back", async () => {
    await ok("scale", "deployment", "web", "--replicas=0");
    let answer = "";
    for (let tries = 0; tries < 100 && !/refused/.test(answer); tries++) answer = await fetchFrom("web", 80);
    assert.match(answer, /refused/);
    await ok("scale", "deployment", "web", "--replicas=1");
    await ok("rollout", "status", "deployment/web", "--timeout=60s");
    for (let tries = 0; tries < 100 && !answer.startsWith("web-"); tries++) answer = await fetchFrom("web", 80);
    assert.match(answer, /^web-/);
  });

  test("a headless service is its pods' addresses", async () => {
    await apply({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "each" },
      spec: { clusterIP: "None", selector: { app: "web" }, ports: [{ port: 8080 }] },
    });
    const address = await ok("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].status.podIP}");
    let looked = "";
    for (let tries = 0; tries < 50 && !looked.includes(address); tries++) {
      looked = (await gantry.kubectl("exec", "client", "--", "nslookup", "each.default.svc.cluster.local")).stdout;
    }
    assert.ok(looked.includes(`Address: ${address}`), looked);
  });

  test("a host port is published on the node", async () => {
    const container = {
      name: "c",
      image: "busybox",
      imagePullPolicy: "Never",
      command: ["sh", "-c", "mkdir /w; echo hosted > /w/index.html; exec httpd -f -p 80 -h /w"],
      ports: [{ containerPort: 80, hostPort: 18090 }],
    };
    await apply({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "hosted" },
      spec: { containers: [container], terminationGracePeriodSeconds: 1 },
    });
    await ok("wait", "--for=condition=Ready", "pod/hosted", "--timeout=60s");
    let answer = "";
    for (let tries = 0; tries < 50 && answer !== "hosted"; tries++) answer = await get("http://127.0.0.1:18090/");
    assert.equal(answer, "hosted");
    await ok("delete", "pod", "hosted");
    assert.match(await get("http://127.0.0.1:18090/"), /refused|Couldn't connect/);
  });
});
