import { createHash } from "node:crypto";
import { appendFile, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

/** Which image a step made, by what went into it. */
export interface StepCache {
  find(key: string): string | undefined;
  put(key: string, imageId: string): Promise<void>;
  /** Images that steps made, and no build gave as its result. */
  has(imageId: string): boolean;
  /** A build's result: its user's, not the cache's. */
  markResult(imageId: string): Promise<void>;
  imageIds(): readonly string[];
  /** Forgets everything. */
  clear(): Promise<void>;
}

/** The most steps that are remembered; the oldest go first. */
const KEPT_STEPS = 20_000;

/** Keys are digests of everything that a step depends on. */
export function cacheKey(parts: readonly (string | undefined)[]): string {
  const hash = createHash("sha256");
  // Each part with its length, so that no two lists give the same bytes.
  for (const part of parts) hash.update(part === undefined ? "-;" : `${Buffer.byteLength(part)}:${part};`);
  return hash.digest("hex");
}

/** A cache in a file of lines `key imageId`, appended to; a line that a crash cut is passed over. */
export async function openStepCache(path: string): Promise<StepCache> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const { steps, results } = parseLines(await readText(path));
  const users = new Map<string, number>();
  const count = (imageId: string, by: number): void => void users.set(imageId, (users.get(imageId) ?? 0) + by);
  for (const imageId of steps.values()) count(imageId, 1);
  await rewrite(path, steps, results);
  const drop = (key: string): void => {
    const imageId = steps.get(key);
    if (imageId !== undefined) count(imageId, -1);
    steps.delete(key);
  };
  return {
    find: (key) => steps.get(key),
    async put(key, imageId) {
      drop(key);
      steps.set(key, imageId);
      count(imageId, 1);
      for (const oldest of steps.keys()) {
        if (steps.size <= KEPT_STEPS) break;
        drop(oldest);
      }
      await appendFile(path, `${key} ${imageId}\n`);
    },
    has: (imageId) => (users.get(imageId) ?? 0) > 0 && !results.has(imageId),
    async markResult(imageId) {
      if (results.has(imageId) || (users.get(imageId) ?? 0) === 0) return;
      results.add(imageId);
      await appendFile(path, `${RESULT} ${imageId}\n`);
    },
    imageIds: () => [...new Set(steps.values())].filter((imageId) => !results.has(imageId)),
    async clear() {
      steps.clear();
      users.clear();
      results.clear();
      await rewrite(path, steps, results);
    },
  };
}

const RESULT = "result";

function parseLines(text: string): { steps: Map<string, string>; results: Set<string> } {
  const steps = new Map<string, string>();
  const results = new Set<string>();
  for (const line of text.split("\n")) {
    const [, key, imageId] = /^([0-9a-f]{64}|result) (sha256:[0-9a-f]{64})$/.exec(line) ?? [];
    if (key === undefined || imageId === undefined) continue;
    if (key === RESULT) results.add(imageId);
    else {
      steps.delete(key);
      steps.set(key, imageId);
    }
  }
  const kept = new Map([...steps].slice(-KEPT_STEPS));
  const images = new Set(kept.values());
  return { steps: kept, results: new Set([...results].filter((imageId) => images.has(imageId))) };
}

async function rewrite(path: string, steps: ReadonlyMap<string, string>, results: ReadonlySet<string>): Promise<void> {
  const temporary = `${path}.new`;
  const lines = [
    ...Array.from(steps, ([key, imageId]) => `${key} ${imageId}\n`),
    ...Array.from(results, (imageId) => `${RESULT} ${imageId}\n`),
  ];
  await writeFile(temporary, lines.join(""), { mode: 0o600 });
  await rename(temporary, path);
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}
