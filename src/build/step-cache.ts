import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Which image a step made, by what went into it. A file each, so that a crash loses none of the others. */
export interface StepCache {
  find(key: string): Promise<string | undefined>;
  put(key: string, imageId: string): Promise<void>;
  /** Forgets everything. */
  clear(): Promise<void>;
}

/** The most steps that are remembered; the oldest go when the daemon starts. */
const KEPT_STEPS = 20_000;

/** Keys are digests of everything that a step depends on. */
export function cacheKey(parts: readonly (string | undefined)[]): string {
  const hash = createHash("sha256");
  // Each part with its length, so that no two lists give the same bytes.
  for (const part of parts) hash.update(part === undefined ? "-;" : `${Buffer.byteLength(part)}:${part};`);
  return hash.digest("hex");
}

/** A cache in a directory of its own (made, 0700). */
export async function openStepCache(directory: string): Promise<StepCache> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const names = await readdir(directory);
  for (const name of names.slice(0, Math.max(0, names.length - KEPT_STEPS)))
    await rm(join(directory, name), { force: true });
  return {
    async find(key) {
      return readFile(join(directory, key), "utf8").catch(() => undefined); // not there: not built yet
    },
    async put(key, imageId) {
      const temporary = join(directory, `.${key}.${process.pid}`);
      await writeFile(temporary, imageId, { mode: 0o600 });
      await rename(temporary, join(directory, key));
    },
    async clear() {
      for (const name of await readdir(directory)) await rm(join(directory, name), { force: true });
    },
  };
}
