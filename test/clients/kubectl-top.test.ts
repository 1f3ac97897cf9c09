// kubectl top and the autoscaler, on what real containers use.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { startGantry, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";

let gantry: TestGantry;

async function ok(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await gantry.kubectl(...args);
  assert.equal(code, 0, `kubectl ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}

before(async () => {
  gantry = await startGantry();
  await gantry.docker("load", "-i", await testImage("busybox"));
  await ok("apply", "-f", new URL("../../examples/workloads/autoscaler.yaml", import.meta.url).pathname);
});

test("kubectl top tells what nodes, pods and containers use", async () => {
  await ok("rollout", "status", "deployment/burner", "--timeout=60s");
  const nodes = (await ok("top", "nodes", "--no-headers")).split(/\s+/);
  assert.match(nodes.join(" "), /^\S+ \d+m \d+% \d+Mi \d+%$/);
  // A pod that has only just begun has no numbers yet.
  let rows: string[] = [];
  for (let tries = 0; tries < 20 && rows.length === 0; tries++) {
    const { stdout } = await gantry.kubectl("top", "pods", "-l", "app=burner", "--containers", "--no-headers");
    rows = stdout.split("\n").filter(Boolean);
  }
  assert.match(rows[0] ?? "", /^burner-\S+ +burner +\d+m +\d+Mi *$/);
  const raw = JSON.parse(await ok("get", "--raw", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods")) as {
    kind: string;
    items: { containers: { usage: { cpu: string } }[] }[];
  };
  assert.equal(raw.kind, "PodMetricsList");
  assert.match(await ok("get", "podmetrics.v1beta1.metrics.k8s.io"), /^NAME +CPU +MEMORY +WINDOW\nburner-/);
  assert.match(
    await ok("api-resources", "--api-group=metrics.k8s.io"),
    /nodes +metrics.k8s.io\/v1beta1 +false +NodeMetrics/,
  );
  const { stderr } = await gantry.kubectl("top", "pod", "none");
  assert.match(stderr, /Error from server \(NotFound\): pods "default\/none" not found/);
});

test("the autoscaler answers a busy processor with more pods", async () => {
  await ok("wait", "--for=jsonpath={.spec.replicas}=3", "deployment/burner", "--timeout=60s");
  const told = await ok("describe", "hpa", "burner");
  assert.match(told, /resource cpu on pods\s+\(as a percentage of request\): +\d+% \(\d+m\) \/ 50%/);
  assert.match(told, /ScalingActive +True +ValidMetricFound/);
  assert.match(
    told,
    /SuccessfulRescale .*New size: 3; reason: cpu resource utilization \(percentage of request\) above target/,
  );
  assert.match(await ok("get", "hpa", "burner", "--no-headers"), /Deployment\/burner +cpu: \d+%\/50% +1 +3 +/);
});
