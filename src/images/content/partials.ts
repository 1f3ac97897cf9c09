import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { hexId } from "#base/ids.ts";
import { isDigest, type Digest } from "#formats/digest.ts";

/** What downloads that broke off have of their blobs, also of an earlier process: the next one goes on from there. */
export interface Partials {
  /** A name for the file that a blob is downloaded to. */
  file(digest: Digest): string;
  /** The file of a download that broke off. The caller gives it back by `leave`, or removes it. */
  take(digest: Digest): Partial | undefined;
  /** Keeps what a download has by now, if it is more than another had. */
  leave(digest: Digest, path: string): Promise<void>;
  /** Removes all that nobody is at. */
  clear(): Promise<void>;
  readonly totalBytes: number;
}

export interface Partial {
  readonly path: string;
  readonly bytes: number;
}

/** Files that are kept, the newest; and how long, which is looked at when the store opens. */
const LIMITS = { files: 64, ageMs: 24 * 3600 * 1000 };

/** `<algorithm>-<hex>-<random>`: several downloads of a blob do not disturb each other. */
const NAME = /^([a-z0-9]+)-([0-9a-f]+)-[0-9a-f]{16}$/;

export async function openPartials(folder: string, now: number): Promise<Partials> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const kept = new Map<Digest, Partial>();
  const leave = async (digest: Digest, path: string): Promise<void> => {
    const bytes = await sizeOf(path);
    const other = kept.get(digest);
    const loser = bytes > (other?.bytes ?? 0) ? other?.path : path;
    if (loser !== path) {
      kept.delete(digest);
      kept.set(digest, { path, bytes });
    }
    if (loser !== undefined) await rm(loser, { force: true });
    for (const [oldest, { path: old }] of kept) {
      if (kept.size <= LIMITS.files) break;
      kept.delete(oldest);
      await rm(old, { force: true });
    }
  };
  for (const { path, digest, ageMs } of await leftovers(folder, now)) {
    if (digest === undefined || ageMs > LIMITS.ageMs) await rm(path, { recursive: true, force: true });
    else await leave(digest, path);
  }
  return {
    file: (digest) => join(folder, `${digest.replace(":", "-")}-${hexId(undefined, 8)}`),
    take(digest) {
      const found = kept.get(digest);
      kept.delete(digest);
      return found;
    },
    leave,
    async clear() {
      const all = [...kept.values()];
      kept.clear();
      for (const { path } of all) await rm(path, { force: true });
    },
    get totalBytes() {
      let total = 0;
      for (const { bytes } of kept.values()) total += bytes;
      return total;
    },
  };
}

interface Leftover {
  readonly path: string;
  /** Undefined: it is no download's. */
  readonly digest: Digest | undefined;
  readonly ageMs: number;
}

/** From the oldest to the newest. */
async function leftovers(folder: string, now: number): Promise<readonly Leftover[]> {
  const found: Leftover[] = [];
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const [, algorithm = "", hex = ""] = NAME.exec(name) ?? [];
    const digest = `${algorithm}:${hex}`;
    found.push({ path, digest: isDigest(digest) ? digest : undefined, ageMs: now - (await stat(path)).mtimeMs });
  }
  return found.toSorted((a, b) => b.ageMs - a.ageMs);
}

/** 0 when nothing has come yet. */
async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw error;
  }
}
