/** Rotated log files are compressed as soon as the shim has put them away: `path.1` becomes `path.1.gz` (moby, loggerutils). */
import { createReadStream, createWriteStream, existsSync, watch } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";

/** Compresses what `path` was rotated to, now and whenever it is rotated again; the result stops. */
export function compressRotated(path: string, onError: (error: unknown) => void): () => void {
  const first = `${path}.1`;
  let working: Promise<void> | undefined;
  let again = false;
  const work = (): void => {
    if (working) {
      again = true;
      return;
    }
    if (!existsSync(first)) return;
    working = compressOne(path)
      .catch(onError)
      .finally(() => {
        working = undefined;
        if (again) {
          again = false;
          work();
        }
      });
  };
  const name = basename(first);
  const watcher = watch(dirname(path), { persistent: false }, (_event, changed) => {
    if (changed === null || changed === name) work();
  });
  watcher.on("error", () => watcher.close());
  work();
  return () => watcher.close();
}

/** The file may be moved on while it is read: it is replaced by its compressed form where it stands then. */
async function compressOne(path: string): Promise<void> {
  const source = `${path}.1`;
  const before = await inodeOf(source);
  if (before === undefined) return;
  const temporary = `${path}.gz.new`;
  await pipeline(createReadStream(source), createGzip(), createWriteStream(temporary, { mode: 0o640 }));
  if ((await inodeOf(source)) !== before) {
    await rm(temporary, { force: true });
    return;
  }
  await rename(temporary, `${source}.gz`);
  if ((await inodeOf(source)) === before) await rm(source, { force: true });
}

async function inodeOf(path: string): Promise<bigint | undefined> {
  try {
    return (await stat(path, { bigint: true })).ino;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
