import { closeSync, fstatSync, readdirSync, read, type BigIntStats } from "node:fs";
import { promisify } from "node:util";
import type { TarEntry, TarType } from "#formats/tar-entry.ts";
import { tarPadding } from "#formats/tar-entry.ts";
import { decodeName, systemName } from "#formats/tar-text.ts";
import { encodeTarHeader, TAR_END } from "#formats/tar-writer.ts";
import {
  close,
  isSyscallError,
  lgetxattr,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDONLY,
  openat,
} from "#linux/syscalls.ts";
import { HOST_IDS, type FileIds } from "./file-ids.ts";
import { lstatIn, pathIn, readlinkIn } from "./rooted.ts";

const readLater = promisify(read);

/** Bytes that are read of a file at once. */
const CHUNK_BYTES = 256 * 1024;

/** What leaves files out of an archive, by their path below the start. */
export type Skip = (path: string) => boolean;

/**
 * A tar of `name` in the directory behind `parent` (borrowed until the end), its paths beginning with `as`; without following links. A file that
 * changes meanwhile is cut or filled up to the length that its header says; one that goes away is left out.
 */
export async function* readTree(
  parent: number,
  name: string,
  as: string,
  skip: Skip = () => false,
  ids: FileIds = HOST_IDS,
): AsyncGenerator<Buffer> {
  const seen = new Map<string, string>();
  yield* readEntry(parent, name, { path: as, below: "" }, { seen, skip, ids });
  yield TAR_END;
}

interface Walk {
  /** First path of each file that has several names. */
  readonly seen: Map<string, string>;
  readonly skip: Skip;
  readonly ids: FileIds;
}

interface Place {
  /** In the archive. */
  readonly path: string;
  /** Below the start; "" for the start itself. */
  readonly below: string;
}

async function* readEntry(parent: number, name: string, place: Place, walk: Walk): AsyncGenerator<Buffer> {
  const stats = lstatIn(parent, name);
  const type = stats && typeOf(stats);
  if (!stats || !type) return; // gone meanwhile, or a socket, which tar has no entry for
  if (type === "directory") {
    yield* readFolder(parent, name, stats, place, walk);
    return;
  }
  const entry = entryOf(parent, name, stats, type, place.path, walk.ids);
  const first = stats.nlink > 1n ? walk.seen.get(`${stats.dev}:${stats.ino}`) : undefined;
  if (first !== undefined) {
    yield encodeTarHeader({ ...entry, type: "link", size: 0, linkPath: first, xattrs: new Map() });
    return;
  }
  if (stats.nlink > 1n) walk.seen.set(`${stats.dev}:${stats.ino}`, place.path);
  if (type === "file") yield* readFile(parent, name, entry);
  else yield encodeTarHeader(entry);
}

async function* readFolder(
  parent: number,
  name: string,
  stats: BigIntStats,
  place: Place,
  walk: Walk,
): AsyncGenerator<Buffer> {
  const handle = openIn(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (handle === undefined) return;
  try {
    yield encodeTarHeader(
      entryOf(parent, name, stats, "directory", place.path.endsWith("/") ? place.path : `${place.path}/`, walk.ids),
    );
    const names = readdirSync(`/proc/self/fd/${handle}`, { encoding: "buffer" }).map(decodeName).toSorted();
    for (const child of names) {
      const below = place.below === "" ? child : `${place.below}/${child}`;
      if (walk.skip(below)) continue;
      yield* readEntry(handle, child, { path: `${place.path.replace(/\/$/, "")}/${child}`, below }, walk);
    }
  } finally {
    close(handle);
  }
}

async function* readFile(parent: number, name: string, entry: TarEntry): AsyncGenerator<Buffer> {
  // Not blocking: what was a file a moment ago might be a pipe now.
  const handle = openIn(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (handle === undefined) return;
  try {
    const stats = fstatSync(handle, { bigint: true });
    if (!stats.isFile()) return;
    const size = Number(stats.size);
    yield encodeTarHeader({ ...entry, size });
    let left = size;
    while (left > 0) {
      const buffer = Buffer.alloc(Math.min(CHUNK_BYTES, left));
      const { bytesRead } = await readLater(handle, buffer, 0, buffer.length, null);
      if (bytesRead === 0) break;
      left -= bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
    for (; left > 0; left -= Math.min(left, CHUNK_BYTES)) yield Buffer.alloc(Math.min(left, CHUNK_BYTES));
    if (tarPadding(size) > 0) yield Buffer.alloc(tarPadding(size));
  } finally {
    closeSync(handle);
  }
}

function openIn(parent: number, name: string, flags: number): number | undefined {
  try {
    return openat(parent, systemName(name), flags);
  } catch (error) {
    if (isSyscallError(error, "ENOENT", "ELOOP", "ENOTDIR", "ENXIO")) return undefined;
    throw error;
  }
}

function entryOf(
  parent: number,
  name: string,
  stats: BigIntStats,
  type: TarType,
  path: string,
  ids: FileIds,
): TarEntry {
  const device = stats.rdev;
  return {
    path,
    type,
    mode: Number(stats.mode & 0o7777n),
    ...ids.inside({ uid: Number(stats.uid), gid: Number(stats.gid) }),
    size: 0,
    modifiedNanos: stats.mtimeNs,
    linkPath: type === "symlink" ? readlinkIn(parent, name) : "",
    device: {
      major: Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n)),
      minor: Number((device & 0xffn) | ((device >> 12n) & 0xffffff00n)),
    },
    xattrs: type === "file" ? capabilityOf(parent, name) : new Map(),
  };
}

/** File capabilities are the one attribute that Docker's archives carry. */
function capabilityOf(parent: number, name: string): Map<string, Buffer> {
  try {
    return new Map([["security.capability", lgetxattr(pathIn(parent, name), "security.capability")]]);
  } catch (error) {
    if (isSyscallError(error, "ENODATA", "EOPNOTSUPP", "ENOENT")) return new Map();
    throw error;
  }
}

function typeOf(stats: BigIntStats): TarType | undefined {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  if (stats.isSymbolicLink()) return "symlink";
  if (stats.isCharacterDevice()) return "character-device";
  if (stats.isBlockDevice()) return "block-device";
  return stats.isFIFO() ? "fifo" : undefined;
}
