import { createReadStream, lstatSync, readdirSync, readFileSync, readlinkSync, type Stats } from "node:fs";
import { join } from "node:path";
import { GantryError } from "#base/errors.ts";
import { parseDockerignore, type Ignore } from "#formats/dockerignore.ts";
import { tarPadding, type TarEntry, type TarType } from "#formats/tar-entry.ts";
import { encodeTarHeader, TAR_END } from "#formats/tar-writer.ts";

/** A tar of directories, each below a name of its own, without what its .dockerignore leaves out. Throws `invalid` for one that is not there. */
export async function* contextArchive(
  folders: readonly { readonly as: string; readonly path: string }[],
  ignoreFile: string | undefined,
): AsyncGenerator<Buffer> {
  for (const { as, path } of folders) {
    if (!lstatFollowing(path)?.isDirectory())
      throw new GantryError("invalid", `unable to prepare context: path ${JSON.stringify(path)} not found`, { path });
    const ignore = readIgnore(path, as === "context" ? ignoreFile : undefined);
    yield encodeTarHeader(entryOf(as, lstatSync(path), "directory", ""));
    yield* walk(path, as, "", ignore);
  }
  yield TAR_END;
}

function lstatFollowing(path: string): Stats | undefined {
  try {
    return lstatSync(`${path}/.`);
  } catch {
    return undefined; // not there, or no directory: the caller says so
  }
}

interface ContextIgnore {
  readonly leavesOut: Ignore;
  /** Some patterns bring back what others leave out. */
  readonly exceptions: boolean;
}

/** `<Dockerfile>.dockerignore` beside the Dockerfile comes before `.dockerignore`. */
function readIgnore(path: string, own: string | undefined): ContextIgnore {
  for (const file of [own, join(path, ".dockerignore")]) {
    if (file === undefined) continue;
    try {
      const text = readFileSync(file, "utf8");
      return { leavesOut: parseDockerignore(text), exceptions: /^!/m.test(text) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  return { leavesOut: () => false, exceptions: false };
}

async function* walk(root: string, as: string, below: string, ignore: ContextIgnore): AsyncGenerator<Buffer> {
  for (const name of readdirSync(join(root, below)).toSorted()) {
    const path = below === "" ? name : `${below}/${name}`;
    const stats = lstatSync(join(root, path), { throwIfNoEntry: false });
    const type = stats && typeOf(stats);
    // Sockets and what has gone meanwhile have no entry.
    if (!stats || !type) continue;
    const ignored = ignore.leavesOut(path);
    if (type === "directory") {
      if (ignored && !ignore.exceptions) continue;
      // Something in it may be an exception: it is asked for file by file.
      if (!ignored) yield encodeTarHeader(entryOf(`${as}/${path}`, stats, type, ""));
      yield* walk(root, as, path, ignore);
      continue;
    }
    if (ignored) continue;
    const target = type === "symlink" ? readlinkSync(join(root, path)) : "";
    yield encodeTarHeader(entryOf(`${as}/${path}`, stats, type, target));
    if (type === "file") yield* fileBytes(join(root, path), stats.size);
  }
}

/** Exactly as many bytes as the header says, whatever becomes of the file meanwhile. */
async function* fileBytes(path: string, size: number): AsyncGenerator<Buffer> {
  let sent = 0;
  if (size > 0) {
    for await (const chunk of createReadStream(path, { end: size - 1, highWaterMark: 256 * 1024 })) {
      sent += (chunk as Buffer).length;
      yield chunk as Buffer;
    }
  }
  yield Buffer.alloc(size - sent + tarPadding(size));
}

function typeOf(stats: Stats): TarType | undefined {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  if (stats.isSymbolicLink()) return "symlink";
  return stats.isFIFO() ? "fifo" : undefined;
}

function entryOf(path: string, stats: Stats, type: TarType, linkPath: string): TarEntry {
  return {
    path: type === "directory" ? `${path}/` : path,
    type,
    mode: stats.mode & 0o7777,
    uid: stats.uid,
    gid: stats.gid,
    size: type === "file" ? stats.size : 0,
    modifiedNanos: BigInt(Math.floor(stats.mtimeMs)) * 1_000_000n,
    linkPath,
    device: { major: 0, minor: 0 },
    xattrs: new Map(),
  };
}
