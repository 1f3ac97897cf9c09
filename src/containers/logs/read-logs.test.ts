import assert from "node:assert/strict";
import { appendFile, mkdtemp, rename, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { afterEach, beforeEach, test } from "node:test";
import type { LogOptions } from "../engine.ts";
import { readLogs } from "./read-logs.ts";

let directory = "";
let path = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "gantry-logs-"));
  path = join(directory, "c-json.log");
});
afterEach(() => rm(directory, { recursive: true }));

const lines = (from: number, to: number): string => {
  let text = "";
  for (let n = from; n <= to; n++)
    text += `{"log":"line ${n}\\n","stream":"stdout","time":"2026-01-02T03:04:05.000000006Z"}\n`;
  return text;
};
const plain = (from: number, to: number): string => {
  let text = "";
  for (let n = from; n <= to; n++) text += `line ${n}\n`;
  return text;
};
const options = (changes: Partial<LogOptions> = {}): LogOptions => ({
  stdout: true,
  stderr: true,
  follow: false,
  timestamps: false,
  framing: "raw",
  ...changes,
});
const text = async (stream: Readable): Promise<string> =>
  Buffer.concat(await stream.toArray().then((chunks) => chunks as Buffer[])).toString();
const read = (changes: Partial<LogOptions> = {}, ended?: Promise<unknown>): Promise<string> =>
  text(readLogs({ path, maxFiles: 5, ended }, options(changes)));

/** Collects until `wanted` has come. */
async function until(stream: Readable, wanted: string): Promise<string> {
  let got = "";
  for await (const chunk of stream) {
    got += (chunk as Buffer).toString();
    if (got.includes(wanted)) break;
  }
  return got;
}

test("a missing log is empty", async () => {
  assert.equal(await read(), "");
  assert.equal(await read({ tail: 5 }), "");
});

test("rotated files are read from the oldest on", async () => {
  await writeFile(`${path}.2`, lines(1, 10));
  await writeFile(`${path}.1`, lines(11, 20));
  await writeFile(path, lines(21, 30));
  assert.equal(await read(), plain(1, 30));
  for (const tail of [0, 1, 9, 10, 11, 20, 25, 29, 30, 31, 1000])
    assert.equal(await read({ tail }), plain(Math.max(1, 31 - tail), 30), `tail ${tail}`);
});

test("the tail of a large file is found from its end", async () => {
  await writeFile(path, lines(1, 20_000));
  for (const tail of [1, 1000, 19_999, 20_000]) assert.equal(await read({ tail }), plain(20_001 - tail, 20_000));
});

test("following sees everything once, over rotation, until the run ends", async () => {
  const run = Promise.withResolvers<void>();
  await writeFile(path, lines(1, 3));
  const result = read({ follow: true }, run.promise);
  let written = 3;
  for (let round = 0; round < 20; round++) {
    await appendFile(path, lines(written + 1, written + 50));
    written += 50;
    if (round % 5 === 4) {
      await appendFile(path, lines(written + 1, written + 1));
      written++;
      await rename(`${path}.1`, `${path}.2`).catch(() => undefined);
      await rename(path, `${path}.1`);
      await writeFile(path, lines(written + 1, written + 10));
      written += 10;
    }
    if (round % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  run.resolve();
  assert.equal(await result, plain(1, written));
});

test("following a log that does not exist yet, and one that is cut", async () => {
  const run = Promise.withResolvers<void>();
  const stream = readLogs({ path, maxFiles: 1, ended: run.promise }, options({ follow: true }));
  setTimeout(() => void writeFile(path, lines(1, 2)), 20);
  assert.equal(await until(stream, "line 2\n"), plain(1, 2));
  const again = readLogs({ path, maxFiles: 1, ended: run.promise }, options({ follow: true, tail: 0 }));
  setTimeout(() => void truncate(path, 0).then(() => appendFile(path, lines(7, 7))), 50);
  assert.equal(await until(again, "line 7\n"), plain(7, 7));
  run.resolve();
});

test("a follower that goes away leaves nothing behind", async () => {
  await writeFile(path, lines(1, 1));
  const aborter = new AbortController();
  const stream = readLogs(
    { path, maxFiles: 1, ended: new Promise(() => undefined) },
    options({ follow: true, signal: aborter.signal }),
  );
  assert.equal(stream.read(), null);
  await new Promise((resolve) => setTimeout(resolve, 30));
  aborter.abort();
  await new Promise((resolve) => stream.once("close", resolve));
  assert.deepEqual(
    process.getActiveResourcesInfo().filter((kind) => kind.includes("FSEvent") || kind.includes("FileHandle")),
    [],
  );
});
