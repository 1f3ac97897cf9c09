/**
 * kill -9 while images are pulled, built, pushed and pruned: afterwards every image that is named is whole, what the registry has can be pulled, and nothing is
 * left over. GANTRY_KILL_ROUNDS=<n> does more of it than the suite.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import { openImages } from "#images/open-images.ts";
import { dockerOk } from "#test/docker-cli.ts";
import { startGantry, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";

const ROUNDS = Number(process.env["GANTRY_KILL_ROUNDS"] ?? 1);
let gantry: TestGantry;
let context = "";
const ok = (...args: string[]): Promise<string> => dockerOk(gantry, ...args);

before(async () => {
  gantry = await startGantry({ flags: ["--no-kubernetes", "--registry-listen", "5000"] });
  await ok("load", "-i", await testImage("busybox"));
  await ok("load", "-i", await testImage("redis"));
  await ok("tag", "redis", "localhost:5000/redis:1");
  await ok("push", "localhost:5000/redis:1");
  context = await mkdtemp(join(gantry.root, "ctx-"));
});

/** What is done when the daemon dies. */
const WORK: Record<string, (round: number) => Promise<unknown>> = {
  async pull() {
    await gantry.docker("rmi", "localhost:5000/redis:1");
    await gantry.docker("pull", "localhost:5000/redis:1");
  },
  async build(round) {
    const steps = [0, 1, 2, 3].map((step) => `COPY Dockerfile /c${step}\nRUN echo ${round}.${step} > /r${step}`);
    await writeFile(join(context, "Dockerfile"), `FROM busybox\nENV ROUND=${round}\n${steps.join("\n")}`);
    await gantry.docker("build", "-t", `built:${round}`, context);
  },
  async push(round) {
    await gantry.docker("tag", "redis", `localhost:5000/pushed:${round}`);
    await gantry.docker("push", `localhost:5000/pushed:${round}`);
  },
  async prune() {
    await gantry.docker("builder", "prune", "-f");
    await gantry.docker("image", "prune", "-f");
  },
};

/** Every image is whole, and the folders of what is under way are empty. The daemon is down. */
async function verify(): Promise<void> {
  const data = join(gantry.root, "data");
  const images = await openImages({ dataDir: data, workers: 1 });
  try {
    for (const image of images.list()) {
      for (const digest of [image.id, image.manifest.digest, ...image.layers.map((layer) => layer.digest)]) {
        const hash = createHash("sha256");
        for await (const chunk of images.content.read(digest)) hash.update(chunk as Buffer);
        assert.equal(`sha256:${hash.digest("hex")}`, digest, `${image.tags.join()} ${digest}`);
      }
    }
    assert(images.find("busybox"));
    assert(images.find("redis"));
  } finally {
    await images.close();
  }
  for (const folder of ["images/staging", "images/content/ingest", "images/trash"])
    assert.deepEqual(readdirSync(join(data, folder)), [], folder);
}

test(`killed ${ROUNDS * Object.keys(WORK).length} times`, { timeout: 600_000 }, async () => {
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, work] of Object.entries(WORK)) {
      const working = work(round);
      // Spread over what the work takes.
      await new Promise((resolve) => setTimeout(resolve, 60 + ((round * 397 + name.length * 131) % 500)));
      await gantry.kill();
      await working;
      await verify();
      await gantry.restart();
      const data = join(gantry.root, "data");
      assert.deepEqual(
        readdirSync(join(data, "images/snapshots")),
        [],
        `after ${name}: nothing runs, so no layer is written to`,
      );
      for (const folder of [join(data, "build/contexts"), join(gantry.root, "run/build/secrets")])
        assert(!existsSync(folder) || readdirSync(folder).length === 0, folder);
      assert.equal(await ok("ps", "-aq"), "");
    }
  }
  await ok("pull", "localhost:5000/redis:1");
  await ok("build", "-t", "built:last", context);
  assert.equal(await ok("run", "--rm", "built:last", "cat", "/r3"), `${ROUNDS - 1}.3`);
});
