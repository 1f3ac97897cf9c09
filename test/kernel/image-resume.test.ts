/** Pulls that broke off are gone on with where they broke: after Ctrl-C, after kill -9, and with what a crash damaged. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { savedImages, streamOf, tarOf, withFolder } from "../support/image-lab.ts";
import { withRegistry, type RegistryLab } from "../support/registry-lab.ts";

const skip = process.getuid?.() === 0 ? false : "needs root";
const BIG = tarOf([{ path: "big", data: randomBytes(6 << 20) }]);
/** What the registry sends before it falls silent. */
const SENT = 3 << 20;

interface Silenced {
  readonly name: string;
  /** `Range` of each request for the layer. */
  readonly ranges: string[];
  /** From now on the registry says everything. */
  speak(): void;
}

/** An image whose large layer the registry sends only a part of, and then nothing, with the connection left open. */
async function silenced(lab: RegistryLab): Promise<Silenced> {
  const name = `${lab.host}/app:1`;
  await lab.images.load(streamOf(savedImages([{ tags: [name], layers: [BIG] }])));
  await lab.images.push(name, {});
  const ranges: string[] = [];
  let silent = true;
  lab.intercept(async (request, response, next) => {
    const digest = /\/blobs\/(sha256:.+)$/.exec(request.url ?? "")?.[1];
    if (digest === undefined || request.method !== "GET") return next();
    const bytes = await lab.store.content.bytes(digest, 1 << 30);
    if (bytes.length < SENT) return next();
    ranges.push(request.headers.range ?? "all");
    if (!silent) return next();
    response.writeHead(200, { "content-length": bytes.length });
    response.write(bytes.subarray(0, SENT));
  });
  return { name, ranges, speak: () => void (silent = false) };
}

const partialFolder = (dataDir: string): string => join(dataDir, "images/content/partial");

/** Bytes of downloads under way, or broken off. */
function partialBytes(dataDir: string): number {
  try {
    const folder = partialFolder(dataDir);
    return readdirSync(folder).reduce((total, file) => total + statSync(join(folder, file)).size, 0);
  } catch {
    return 0; // not open yet
  }
}

async function untilArrived(dataDir: string): Promise<void> {
  for (let tries = 0; partialBytes(dataDir) < SENT / 2; tries++) {
    assert(tries < 400, "nothing arrives");
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

test("a pull goes on where kill -9 ended it; nothing of it is left", { skip }, () =>
  withRegistry((lab) =>
    withFolder(async (dataDir) => {
      const { name, ranges, speak } = await silenced(lab);
      const script = join(import.meta.dirname, "../support/image-puller.ts");
      const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", script, dataDir, name]);
      await untilArrived(dataDir);
      child.kill("SIGKILL");
      await once(child, "exit");
      speak();
      const images = await lab.open({ dataDir });
      const kept = partialBytes(dataDir);
      assert.equal((await images.usage()).totalBytes, kept, "disk usage tells of it");
      assert.equal((await images.pull(name, {})).id, lab.images.get(name).id);
      assert.deepEqual(ranges, ["all", `bytes=${kept}-`]);
      assert.deepEqual(readdirSync(partialFolder(dataDir)), []);
    }),
  ),
);

test("a pull goes on where Ctrl-C ended it; prune removes what is left of one", { skip }, () =>
  withRegistry((lab) =>
    withFolder(async (dataDir) => {
      const { name, ranges, speak } = await silenced(lab);
      const images = await lab.open({ dataDir });
      const interrupted = async (): Promise<void> => {
        const stop = new AbortController();
        const pulling = images.pull(name, { signal: stop.signal });
        await untilArrived(dataDir);
        stop.abort();
        await assert.rejects(pulling, { code: "cancelled" });
      };
      await interrupted();
      assert(partialBytes(dataDir) > 0);
      assert((await images.prune({ dangling: true })).reclaimedBytes > 0);
      assert.equal(partialBytes(dataDir), 0);
      await interrupted();
      speak();
      await images.pull(name, {});
      assert.equal(ranges.length, 3);
      assert.match(ranges[2] ?? "", /^bytes=[1-9]\d+-$/);
      assert.deepEqual(readdirSync(partialFolder(dataDir)), []);
    }),
  ),
);

test(
  "what a crash damaged is fetched anew, what is whole not at all, and what is too long is not looked at",
  { skip },
  () =>
    withRegistry((lab) =>
      withFolder(async (folder) => {
        const { name, ranges, speak } = await silenced(lab);
        speak();
        const [layer] = (await (await lab.open()).pull(name, {})).layers;
        assert(layer);
        ranges.splice(0);
        const whole = await lab.store.content.bytes(layer.digest, 1 << 30);
        const damaged = Buffer.from(whole.subarray(0, 1 << 20));
        damaged[500_000] = (damaged[500_000] ?? 0) ^ 1;
        const cases: readonly (readonly [Buffer, readonly string[]])[] = [
          [damaged, ["all"]],
          [randomBytes(1 << 20), ["all"]],
          [whole, []],
          [Buffer.concat([whole, whole]), ["all"]],
        ];
        for (const [at, [bytes, expected]] of cases.entries()) {
          const dataDir = join(folder, String(at));
          mkdirSync(partialFolder(dataDir), { recursive: true });
          writeFileSync(join(partialFolder(dataDir), `${layer.digest.replace(":", "-")}-0123456789abcdef`), bytes);
          writeFileSync(join(partialFolder(dataDir), "what-is-this"), "");
          const images = await lab.open({ dataDir });
          await images.pull(name, {});
          // The rest of a damaged one is asked for, unless the damage shows before.
          assert.deepEqual(
            ranges.splice(0).filter((range) => range === "all"),
            expected,
          );
          assert.deepEqual(readdirSync(partialFolder(dataDir)), []);
        }
      }),
    ),
);
