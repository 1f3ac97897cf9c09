import { lstat, opendir } from "node:fs/promises";
import { join } from "node:path";

/** Bytes of the files below a directory, each file once whatever its links (moby, daemon/internal/directory). 0 when it is gone. */
export async function directoryBytes(path: string): Promise<number> {
  const seen = new Set<bigint>();
  let bytes = 0n;
  const directories = [path];
  for (let current = directories.pop(); current !== undefined; current = directories.pop()) {
    for (const { name, directory } of await entriesOf(current)) {
      const child = join(current, name);
      if (directory) {
        directories.push(child);
        continue;
      }
      const found = await lstat(child, { bigint: true }).catch(ignoreMissing);
      if (!found || seen.has(found.ino)) continue;
      if (found.nlink > 1n) seen.add(found.ino);
      bytes += found.size;
    }
  }
  return Number(bytes);
}

async function entriesOf(path: string): Promise<{ name: string; directory: boolean }[]> {
  const opened = await opendir(path).catch(ignoreMissing);
  if (!opened) return [];
  const entries: { name: string; directory: boolean }[] = [];
  for await (const each of opened) entries.push({ name: each.name, directory: each.isDirectory() });
  return entries;
}

/** What went away meanwhile counts for nothing. */
function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT" && error.code !== "ENOTDIR") throw error;
  return undefined;
}
