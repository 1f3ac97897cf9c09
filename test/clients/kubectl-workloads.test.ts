// The manifests of examples/workloads with the real kubectl on real containers.
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startGantry, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";

let gantry: TestGantry;

async function ok(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await gantry.kubectl(...args);
  assert.equal(code, 0, `kubectl ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}

const apply = (name: string): Promise<string> =>
  ok("apply", "-f", new URL(`../../examples/workloads/${name}.yaml`, import.meta.url).pathname);
const jsonPath = (kind: string, name: string, path: string): Promise<string> =>
  ok("get", kind, name, "-o", `jsonpath={${path}}`);
const exec = (pod: string, script: string): Promise<string> => ok("exec", pod, "--", "sh", "-c", script);

/** Asks again until the answer is the wanted one. */
async function eventually(what: string, wanted: RegExp, ask: () => Promise<string>): Promise<string> {
  let answer = "";
  for (let tries = 0; tries < 60; tries++) {
    answer = await ask();
    if (wanted.test(answer)) return answer;
    await delay(250);
  }
  throw new Error(`${what}: wanted ${wanted}, got ${answer}`);
}

before(async () => {
  gantry = await startGantry();
  await gantry.docker("load", "-i", await testImage("busybox"));
  await gantry.docker("load", "-i", await testImage("redis"));
});

describe("workloads", { concurrency: false }, () => {
  test("a deployment rolls on and back, and a drain keeps to its budget", async () => {
    await apply("deployment");
    await apply("disruption-budget");
    await ok("rollout", "status", "deployment/web", "--timeout=60s");
    const [pod = ""] = (await ok("get", "pods", "-l", "app=web", "-o", "name")).split("\n");
    const fetched = (): Promise<string> =>
      exec(pod, "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 web 80 | tail -n 1");
    assert.equal(await fetched(), "version 1");
    await ok("set", "env", "deployment/web", "TEXT=2");
    await ok("rollout", "status", "deployment/web", "--timeout=60s");
    assert.match(await ok("rollout", "history", "deployment/web"), /^1 +<none>\n2 +<none>$/m);
    // Pods of the old template that are still ending are no part of the rollout.
    await eventually("only new pods", /^2( 2)*$/, () =>
      ok("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].spec.containers[0].env[0].value}"),
    );
    await ok("rollout", "undo", "deployment/web");
    await ok("rollout", "status", "deployment/web", "--timeout=60s");
    assert.match(await ok("rollout", "history", "deployment/web"), /^2 +<none>\n3 +<none>$/m);
    assert.equal(await jsonPath("deployment", "web", ".spec.template.spec.containers[0].env[0].value"), "1");
    await eventually("budget", /^1$/, () => jsonPath("pdb", "web", ".status.disruptionsAllowed"));
    await ok("delete", "-f", new URL("../../examples/workloads/deployment.yaml", import.meta.url).pathname);
  });

  test("replica sets and replication controllers replace what is deleted", async () => {
    await apply("replica-set");
    await apply("replication-controller");
    for (const [kind, name] of [
      ["rs", "kept"],
      ["rc", "old"],
    ] as const) {
      await eventually(`${name} ready`, /^2$/, () => jsonPath(kind, name, ".status.readyReplicas"));
      await ok("delete", "pod", "-l", `app=${name}`, "--wait=false");
      await eventually(`${name} again`, /^2 2 ?$/, () =>
        jsonPath(kind, name, ".status.replicas} {.status.readyReplicas"),
      );
      await ok("scale", `${kind}/${name}`, "--replicas=0");
    }
  });

  test("a daemon set is where its label is", async () => {
    await apply("daemon-set");
    assert.equal(await jsonPath("ds", "agent", ".status.desiredNumberScheduled"), "0");
    await ok("label", "node", "--all", "disk=ssd");
    await ok("rollout", "status", "ds/agent", "--timeout=60s");
    assert.equal(await jsonPath("ds", "agent", ".status.numberReady"), "1");
    await ok("label", "node", "--all", "disk-");
    await eventually("gone", /^$/, () => ok("get", "pods", "-l", "app=agent", "-o", "name"));
  });

  test("jobs end, each index once; a cron job makes them", async () => {
    await apply("job");
    await ok("wait", "--for=condition=complete", "job/squares", "--timeout=60s");
    assert.equal(await jsonPath("job", "squares", ".status.completedIndexes"), "0-2");
    const logs = await ok("logs", "-l", "job-name=squares", "--tail=-1");
    assert.deepEqual(logs.split("\n").sort(), ["0 squared is 0", "1 squared is 1", "2 squared is 4"]);
    await apply("cron-job");
    await ok("create", "job", "--from=cronjob/tick", "now");
    await ok("wait", "--for=condition=complete", "job/now", "--timeout=60s");
    assert.match(await ok("logs", "job/now"), /UTC 20\d\d/);
    await ok("delete", "cronjob", "tick");
  });

  test("a stateful set keeps its names and its data when pods, and when it itself, are deleted", async () => {
    await apply("stateful-set");
    await ok("rollout", "status", "sts/store", "--timeout=60s");
    await exec("store-0", "echo precious > /data/file");
    await ok("delete", "pod", "store-0");
    await ok("wait", "--for=condition=Ready", "pod/store-0", "--timeout=60s");
    assert.equal(await exec("store-0", "cat /data/file; wc -l < /data/starts"), "precious\n2");
    // By its name, from the other one.
    const fetched = await exec(
      "store-1",
      "printf 'GET /file HTTP/1.0\\r\\n\\r\\n' | nc -w 3 store-0.store 8080 | tail -n 1",
    );
    assert.equal(fetched, "precious");
    await ok("delete", "sts", "store");
    await eventually("no pods", /^$/, () => ok("get", "pods", "-l", "app=store", "-o", "name"));
    await apply("stateful-set");
    await ok("rollout", "status", "sts/store", "--timeout=60s");
    assert.equal(await exec("store-0", "cat /data/file"), "precious");
    await ok("scale", "sts/store", "--replicas=0");
  });

  test("six Redis servers make a cluster, and one that is deleted comes back into it", async () => {
    await apply("redis-cluster");
    await ok("rollout", "status", "sts/redis", "--timeout=90s");
    const ips = (await ok("get", "pods", "-l", "app=redis", "-o", "jsonpath={.items[*].status.podIP}")).split(" ");
    const members = ips.map((ip) => `${ip}:6379`).join(" ");
    await exec("redis-0", `redis-cli --cluster create ${members} --cluster-replicas 1 --cluster-yes`);
    await eventually("cluster", /cluster_state:ok/, () => exec("redis-0", "redis-cli cluster info"));
    assert.match(await exec("redis-0", "redis-cli cluster info"), /cluster_known_nodes:6[\s\S]*cluster_size:3/);
    assert.equal(await exec("redis-3", "redis-cli -c set colour blue"), "OK");
    assert.equal(await exec("redis-5", "redis-cli -c get colour"), "blue");
    await ok("delete", "pod", "redis-1");
    await ok("wait", "--for=condition=Ready", "pod/redis-1", "--timeout=60s");
    await eventually("whole again", /cluster_state:ok/, () => exec("redis-1", "redis-cli cluster info"));
    await eventually("data", /^blue$/, () => exec("redis-1", "redis-cli -c get colour"));
  });
});
