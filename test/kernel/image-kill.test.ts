import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import type { ImageStore } from "#images/image-store.ts";
import { openImages } from "#images/open-images.ts";
import { sha256, withFolder } from "../support/image-lab.ts";

const skip = process.getuid?.() === 0 ? false : "needs root";
const ROUNDS = 20;

interface Known {
  /** Acknowledged and not being removed: must be there. */
  readonly images: Map<string, string>;
  readonly snapshots: Set<string>;
  /** Acknowledged as removed: must not be there. */
  readonly gone: Set<string>;
}

/** Runs the victim for a while and kills it; adds what it was told to what must be true afterwards. */
async function runAndKill(dataDir: string, seed: number, known: Known): Promise<void> {
  const script = join(import.meta.dirname, "../support/image-victim.ts");
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", script, dataDir, String(seed)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout });
  const exited = once(child, "exit");
  let timer: NodeJS.Timeout | undefined;
  let steps = 0;
  for await (const line of lines) {
    const event = JSON.parse(line) as { kind: string; name?: string; id?: string };
    // By what it has done, not by the time that it had: a slow machine must not kill it before it begins.
    if (steps++ === seed % 14) timer = setTimeout(() => child.kill("SIGKILL"), (seed * 37) % 150);
    if (event.kind === "loaded") known.images.set(event.name ?? "", event.id ?? "");
    else if (event.kind === "snapshot") known.snapshots.add(event.id ?? "");
    else if (event.kind === "removing") {
      known.images.delete(event.name ?? "");
      known.snapshots.delete(event.id ?? "");
    } else if (event.kind === "removed") known.gone.add(event.name ?? "");
  }
  clearTimeout(timer);
  const [, signal] = (await exited) as [number | null, string | null];
  assert.equal(signal, "SIGKILL", "it was killed, and did not fail");
}

/** Everything acknowledged is there, whole; nothing is there that nobody needs. */
function verify(images: ImageStore, dataDir: string, known: Known): void {
  const folder = join(dataDir, "images");
  for (const [name, id] of known.images) assert.equal(images.get(name).id, id, name);
  for (const name of known.gone) assert.equal(images.find(name), undefined, name);
  for (const id of known.snapshots) assert(images.snapshot(id), id);
  const blobs = new Set<string>();
  for (const image of images.list()) {
    for (const digest of [image.id, image.manifest.digest, ...image.layers.map((layer) => layer.digest)]) {
      blobs.add(digest.slice("sha256:".length));
      assert.equal(sha256(readFileSync(images.content.path(digest))), digest.slice("sha256:".length));
    }
  }
  assert.deepEqual(new Set(readdirSync(join(folder, "content/blobs/sha256"))), blobs, "blobs");
  for (const name of ["staging", "content/ingest"]) assert.deepEqual(readdirSync(join(folder, name)), [], name);
  for (const snapshot of images.snapshots()) {
    assert(snapshot.mount.kind === "overlay");
    for (const lower of snapshot.mount.lower) assert(existsSync(join(lower, ".")), lower);
  }
  assert.deepEqual(
    readdirSync(join(folder, "snapshots")).sort(),
    images
      .snapshots()
      .map(({ id }) => id)
      .sort(),
  );
  const layers = readdirSync(join(folder, "layers"));
  for (const layer of layers) {
    const files = readdirSync(join(folder, "layers", layer, "diff"));
    assert(files.includes("base") || (files.includes("own") && files.includes("big")), `${layer}: ${files.join(" ")}`);
  }
  assert.equal(new Set(readdirSync(join(folder, "l"))).size, layers.length + readdirSync(join(folder, "inits")).length);
}

test(`killed ${ROUNDS} times while it works: nothing acknowledged is lost, nothing is left over`, { skip }, () =>
  withFolder(async (dataDir) => {
    const known: Known = { images: new Map(), snapshots: new Set(), gone: new Set() };
    for (let round = 0; round < ROUNDS; round++) {
      await runAndKill(dataDir, round, known);
      const images = await openImages({ dataDir, workers: 2 });
      verify(images, dataDir, known);
      await images.close();
      assert.deepEqual(readdirSync(join(dataDir, "images/trash")), []);
    }
    assert(known.images.size > 10, `only ${known.images.size} images: the test tests little`);
  }),
);
