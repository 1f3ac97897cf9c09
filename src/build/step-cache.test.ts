import assert from "node:assert/strict";
import { appendFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { cacheKey, openStepCache } from "./step-cache.ts";

let directory = "";
before(async () => (directory = await mkdtemp(join(tmpdir(), "gantry-steps-"))));
after(() => rm(directory, { recursive: true, force: true }));

const image = (digit: string): string => `sha256:${digit.repeat(64)}`;

test("steps are there after a restart; a line that was cut is not", async () => {
  const path = join(directory, "sub", "steps");
  const cache = await openStepCache(path);
  await cache.put(cacheKey(["a"]), image("1"));
  await cache.put(cacheKey(["b"]), image("2"));
  await cache.put(cacheKey(["a"]), image("3"));
  await appendFile(path, `${cacheKey(["c"])} sha256:12`);
  const again = await openStepCache(path);
  assert.equal(again.find(cacheKey(["a"])), image("3"));
  assert.deepEqual([again.has(image("1")), again.has(image("2")), again.has(image("3"))], [false, true, true]);
  assert.equal(again.find(cacheKey(["c"])), undefined);
  await again.markResult(image("3"));
  const third = await openStepCache(path);
  assert.deepEqual([third.has(image("2")), third.has(image("3"))], [true, false]);
  assert.equal(third.find(cacheKey(["a"])), image("3"));
  await again.clear();
  assert.equal((await openStepCache(path)).find(cacheKey(["b"])), undefined);
});

test("keys tell lists apart", () => {
  const keys = [["ab"], ["a", "b"], ["a", undefined, "b"], ["", "ab"], []].map(cacheKey);
  assert.equal(new Set(keys).size, keys.length);
});
