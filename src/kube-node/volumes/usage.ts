import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

/** Entries of one directory tree that are counted at most. */
const MOST_ENTRIES = 1_000_000;

/** Bytes on the disk of a tree, each file once whatever its names; Infinity when it has too many entries. What vanishes meanwhile is not counted. */
export async function diskUsage(root: string): Promise<number> {
  const files = new Set<string>();
  const pending = [root];
  let bytes = 0;
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const found = await lstat(path).catch(() => undefined);
    if (!found) continue;
    const key = `${found.dev}:${found.ino}`;
    if (files.has(key)) continue;
    if (files.size >= MOST_ENTRIES) return Infinity;
    files.add(key);
    bytes += found.blocks * 512;
    if (!found.isDirectory()) continue;
    for (const name of await readdir(path).catch(() => [])) pending.push(join(path, name));
  }
  return bytes;
}
