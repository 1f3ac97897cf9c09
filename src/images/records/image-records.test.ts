import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { ImageConfig } from "#formats/image-config.ts";
import { openRecords, type ImageRecord, type ImageRecords, type Draft } from "./image-records.ts";

const digest = (letter: string): string => `sha256:${letter.repeat(64)}`;
const CONFIG: ImageConfig = { architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] } };

function record(letter: string): ImageRecord {
  const manifest = { mediaType: "application/vnd.oci.image.manifest.v1+json", digest: digest("f"), size: 1 };
  const id = digest(letter);
  return {
    id,
    sources: [{ manifest, layers: [] }],
    top: undefined,
    layerBytes: [],
    parent: undefined,
    lastTaggedAt: 0,
  };
}

interface Opened {
  readonly records: ImageRecords;
  readonly path: string;
  readonly failures: unknown[];
}

async function openFresh(t: TestContext, settle: (digests: Iterable<string>) => Promise<void>): Promise<Opened> {
  const folder = await mkdtemp(join(tmpdir(), "records-"));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, "images.json");
  const failures: unknown[] = [];
  const readConfig = (): Promise<ImageConfig> => Promise.resolve(CONFIG);
  const onFailed = (error: unknown): void => void failures.push(error);
  const records = await openRecords({ path, readConfig, settle, onLost: () => undefined, onFailed });
  return { records, path, failures };
}

const add =
  (records: ImageRecords, letter: string) =>
  (draft: Draft): void => {
    records.configure(digest(letter), CONFIG);
    draft.images.set(digest(letter), record(letter));
  };

test("an image that need not be durable is there at once, and on the disk after its blobs", async (t) => {
  const gate = Promise.withResolvers<void>();
  const asked: string[] = [];
  const { records, path } = await openFresh(t, async (digests) => {
    asked.push(...digests);
    await gate.promise;
  });
  await records.updateSoon(add(records, "a"));
  assert.ok(records.image(digest("a")));
  await assert.rejects(readFile(path), { code: "ENOENT" });
  gate.resolve();
  await records.flush();
  assert.match(await readFile(path, "utf8"), new RegExp(digest("a")));
  assert.deepEqual(asked, [digest("a"), digest("f")]);
});

test("a durable change takes along what was to be written soon", async (t) => {
  const { records, path } = await openFresh(t, () => Promise.resolve());
  await Promise.all([records.updateSoon(add(records, "a")), records.update(add(records, "b"))]);
  const text = await readFile(path, "utf8");
  for (const letter of ["a", "b"]) assert.match(text, new RegExp(digest(letter)));
});

test("what the disk cannot take is not there any more, and others can be recorded", async (t) => {
  const lost = new Set([digest("a")]);
  const { records, path, failures } = await openFresh(t, async (digests) => {
    for (const each of digests) if (lost.has(each)) throw new Error("input/output error");
  });
  await records.updateSoon(add(records, "a"));
  await records.flush();
  assert.equal(records.image(digest("a")), undefined);
  assert.equal(failures.length, 1);
  await records.update(add(records, "b"));
  assert.ok(!(await readFile(path, "utf8")).includes(digest("a")));
});
