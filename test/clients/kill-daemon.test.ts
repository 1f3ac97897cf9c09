// kill -9 of the daemon at random moments under load: nothing that was acknowledged is lost, nothing is leaked.
import assert from "node:assert/strict";
import { test } from "node:test";
import Docker from "dockerode";
import { seededRandom } from "#base/random.ts";
import { startGantry, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";
import { cgroupsOf, leaksOf } from "#test/leaks-of-root.ts";

/** A few in each run of the suite; `GANTRY_KILLS=100 npm test -- kill-daemon` is the long run. */
const ROUNDS = Number(process.env["GANTRY_KILLS"] ?? 20);
const SEED = Number(process.env["GANTRY_SEED"] ?? Date.now() % 1_000_000);
const LONGEST_ROUND_MS = 400;

interface Known {
  /** Acknowledged containers by id, with what must hold of them. */
  readonly present: Map<string, "created" | "started" | "ended">;
  readonly removed: Set<string>;
}

test(`${ROUNDS} kills under load lose and leak nothing (seed ${SEED})`, { timeout: 900_000 }, async () => {
  const random = seededRandom(SEED);
  const gantry = await startGantry({ flags: ["--no-kubernetes"] });
  assert.equal((await gantry.docker("load", "-i", await testImage("busybox"))).code, 0);
  const counter = await startCounter(gantry);
  const known: Known = { present: new Map(), removed: new Set() };
  for (let round = 0; round < ROUNDS; round++) {
    const load = Promise.allSettled([
      worker(gantry, known, random.next()),
      worker(gantry, known, random.next()),
      worker(gantry, known, random.next()),
    ]);
    await new Promise((resolve) => setTimeout(resolve, random.next() * LONGEST_ROUND_MS));
    await gantry.kill();
    // dockerode never hears of the end of an answer that was cut off (a wait whose headers had come): such a worker is left behind.
    await Promise.race([load, new Promise((resolve) => setTimeout(resolve, 200))]);
    await gantry.restart();
    await verify(gantry, known, round);
  }
  await verifyCounter(gantry, counter);
  await removeAll(gantry);
  await gantry.kill();
  await gantry.restart();
  assert.equal((await gantry.docker("ps", "-aq")).stdout, "");
  await gantry.stopDaemon();
  assert.deepEqual(
    [...(await leaksOf(gantry.root)), ...cgroupsOf([...known.present.keys(), ...known.removed, counter])],
    [],
  );
});

function dockerOf(gantry: TestGantry): Docker {
  return new Docker({ socketPath: `${gantry.root}/run/docker.sock` });
}

/** Creates, starts, waits and removes until the daemon dies; notes what was acknowledged. */
async function worker(gantry: TestGantry, known: Known, seed: number): Promise<void> {
  const random = seededRandom(Math.floor(seed * 2 ** 31));
  const docker = dockerOf(gantry);
  for (;;) {
    const sleeps = random.next() < 0.3;
    const container = await docker.createContainer({
      Image: "busybox",
      Cmd: sleeps ? ["sleep", "600"] : ["sh", "-c", "echo out; exit 7"],
      HostConfig: { NetworkMode: random.next() < 0.5 ? "bridge" : "none" },
    });
    known.present.set(container.id, "created");
    await container.start();
    known.present.set(container.id, "started");
    if (!sleeps) {
      const { StatusCode } = (await container.wait()) as { StatusCode: number };
      assert.equal(StatusCode, 7);
      known.present.set(container.id, "ended");
    }
    if (random.next() < 0.6) {
      known.present.delete(container.id);
      await container.remove({ force: true });
      known.removed.add(container.id);
    }
  }
}

async function verify(gantry: TestGantry, known: Known, round: number): Promise<void> {
  const docker = dockerOf(gantry);
  const listed = new Map((await docker.listContainers({ all: true })).map((each) => [each.Id, each]));
  for (const id of known.removed) assert.ok(!listed.has(id), `round ${round}: removed container ${id} came back`);
  for (const [id, state] of known.present) {
    assert.ok(listed.has(id), `round ${round}: acknowledged container ${id} is lost`);
    if (state !== "ended") continue;
    const { State } = await docker.getContainer(id).inspect();
    assert.equal(State.ExitCode, 7, `round ${round}: exit code of ${id}`);
    const logs = (await docker.getContainer(id).logs({ stdout: true, stderr: true })) as unknown as Buffer;
    assert.match(logs.toString(), /out/, `round ${round}: log of ${id}`);
  }
  // Not too many at once on a small machine.
  for (const [id] of Array.from(known.present).slice(0, Math.max(0, known.present.size - 20))) {
    await docker.getContainer(id).remove({ force: true });
    known.present.delete(id);
    known.removed.add(id);
  }
}

async function startCounter(gantry: TestGantry): Promise<string> {
  const { stdout, code } = await gantry.docker(
    "run",
    "-d",
    "--name",
    "counter",
    "busybox",
    "sh",
    "-c",
    "i=0; while true; do echo $i; i=$((i+1)); usleep 20000; done",
  );
  assert.equal(code, 0);
  return stdout.trim();
}

/** The container that ran all the time: still the same run, and its log has every number. */
async function verifyCounter(gantry: TestGantry, id: string): Promise<void> {
  const { State, RestartCount } = await dockerOf(gantry).getContainer(id).inspect();
  assert.equal(State.Running, true);
  assert.equal(RestartCount, 0);
  const { stdout } = await gantry.docker("logs", "counter");
  const numbers = stdout.trim().split("\n").map(Number);
  assert.ok(numbers.length > ROUNDS, "the counter went on counting");
  assert.deepEqual(
    numbers,
    Array.from(numbers, (_, index) => index),
  );
}

async function removeAll(gantry: TestGantry): Promise<void> {
  const { stdout } = await gantry.docker("ps", "-aq");
  const ids = stdout.split("\n").filter(Boolean);
  if (ids.length > 0) assert.equal((await gantry.docker("rm", "-f", ...ids)).code, 0);
}
