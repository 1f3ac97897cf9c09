// A pod's image from the registry that is built in: what `docker push localhost:5000/x` sent is pulled by the kubelet, with nothing set up.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { dockerOk } from "#test/docker-cli.ts";
import { startGantry, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";

const NAME = "localhost:5000/team/box:1";
let gantry: TestGantry;

before(async () => {
  gantry = await startGantry();
  await dockerOk(gantry, "load", "-i", await testImage("busybox"));
});

async function kubectl(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await gantry.kubectl(...args);
  assert.equal(code, 0, stderr);
  return stdout;
}

async function runToEnd(name: string, policy: string): Promise<string> {
  await kubectl(
    "run",
    name,
    `--image=${NAME}`,
    `--image-pull-policy=${policy}`,
    "--restart=Never",
    "--command",
    "--",
    "echo",
    "from the registry",
  );
  await kubectl("wait", `pod/${name}`, "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s");
  return kubectl("logs", name);
}

test("a pod pulls localhost:5000/team/box:1, and another one asks for what is new", async () => {
  await dockerOk(gantry, "tag", "busybox", NAME);
  await dockerOk(gantry, "push", NAME);
  await dockerOk(gantry, "rmi", NAME, "busybox");
  assert.equal(await dockerOk(gantry, "images", "-q"), "", "nothing is left to run but by a pull");
  assert.equal(await runToEnd("pulled", "IfNotPresent"), "from the registry\n");
  assert.equal(await runToEnd("asked", "Always"), "from the registry\n");
  const events = await kubectl("get", "events", "-o", "jsonpath={range .items[*]}{.message}{'\\n'}{end}");
  assert.match(events, /Successfully pulled image "localhost:5000\/team\/box:1"/);
  const digest = await kubectl("get", "pod", "pulled", "-o", "jsonpath={.status.containerStatuses[0].imageID}");
  assert.match(digest, /localhost:5000\/team\/box@sha256:[0-9a-f]{64}$/);
});
