import { closeSync, opendirSync, read as readCallback, type BigIntStats } from "node:fs";
import { promisify } from "node:util";
import { GantryError } from "#base/errors.ts";
import { tarPadding, type TarEntry, type TarType } from "#formats/tar-entry.ts";
import { decodeName, systemName } from "#formats/tar-text.ts";
import { encodeTarHeader, TAR_END } from "#formats/tar-writer.ts";
import {
  isSyscallError,
  lgetxattr,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDONLY,
  openat,
  readlinkatBytes,
} from "#linux/syscalls.ts";
import { lstatIn, openChild, placeOf } from "./scoped.ts";

const read = promisify(readCallback);

const CHUNK_BYTES = 256 * 1024;
/** Each level holds a handle while it is read. */
const DEEPEST_LEVEL = 512;

/**
 * A tar archive of `name` in a directory and of all below it, under the name `rename`. Nothing is followed. Files that change while they
 * are read keep the size they began with; sockets are left out, as Docker does. Reads 256 KiB at a time.
 */
export async function* packTree(directory: number, name: string, rename: string): AsyncGenerator<Buffer> {
  yield* packEntry({ links: new Map() }, directory, name, rename, 0);
  yield TAR_END;
}

interface Packing {
  /** First names of files with several, by device and inode. */
  readonly links: Map<string, string>;
}

async function* packEntry(
  packing: Packing,
  directory: number,
  name: string,
  path: string,
  level: number,
): AsyncGenerator<Buffer> {
  const stats = lstatIn(directory, name);
  const type = stats && typeOf(stats);
  if (!stats || !type) return;
  if (level > DEEPEST_LEVEL)
    throw new GantryError("too-large", `${path}: directories are nested more than ${DEEPEST_LEVEL} deep`);
  const first = type === "file" && stats.nlink > 1n ? firstName(packing, stats, path) : undefined;
  if (first !== undefined) yield encodeTarHeader(entryOf(stats, "link", path, first, new Map()));
  else if (type === "file") yield* packFile(directory, name, path, stats);
  else if (type === "directory") yield* packDirectory(packing, directory, name, path, stats, level);
  else
    yield encodeTarHeader(
      entryOf(stats, type, path, type === "symlink" ? linkTarget(directory, name) : "", attributes(directory, name)),
    );
}

async function* packFile(directory: number, name: string, path: string, stats: BigIntStats): AsyncGenerator<Buffer> {
  const fd = openFile(directory, name);
  if (fd === undefined) return;
  try {
    yield encodeTarHeader(entryOf(stats, "file", path, "", attributes(directory, name)));
    const size = Number(stats.size);
    let done = 0;
    while (done < size) {
      const piece = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, size - done));
      const { bytesRead } = await read(fd, piece, 0, piece.length, done);
      // It has become shorter: what was promised is made up for.
      if (bytesRead === 0) piece.fill(0);
      const length = bytesRead === 0 ? piece.length : bytesRead;
      done += length;
      yield piece.subarray(0, length);
    }
    const padding = tarPadding(size);
    if (padding > 0) yield Buffer.alloc(padding);
  } finally {
    closeSync(fd);
  }
}

async function* packDirectory(
  packing: Packing,
  directory: number,
  name: string,
  path: string,
  stats: BigIntStats,
  level: number,
): AsyncGenerator<Buffer> {
  const handle = openChild(directory, name);
  if (handle === undefined) return;
  try {
    const own = path.endsWith("/") ? path : `${path}/`;
    yield encodeTarHeader(entryOf(stats, "directory", own, "", attributes(directory, name)));
    for (const child of namesIn(handle)) yield* packEntry(packing, handle, child, own + child, level + 1);
  } finally {
    closeSync(handle);
  }
}

/** Undefined when it is something else by now. */
function openFile(directory: number, name: string): number | undefined {
  try {
    return openat(directory, systemName(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if (isSyscallError(error, "ENOENT", "ELOOP", "ENXIO")) return undefined;
    throw error;
  }
}

/** Names in a directory, in order, so that the same tree makes the same archive. */
function namesIn(handle: number): string[] {
  const opened = opendirSync(`/proc/self/fd/${handle}`, { encoding: "buffer" as BufferEncoding, bufferSize: 256 });
  const names: string[] = [];
  try {
    for (let entry = opened.readSync(); entry; entry = opened.readSync())
      names.push(decodeName(entry.name as unknown as Buffer));
  } finally {
    opened.closeSync();
  }
  return names.sort();
}

function firstName({ links }: Packing, stats: BigIntStats, path: string): string | undefined {
  const key = `${stats.dev}:${stats.ino}`;
  const first = links.get(key);
  if (first === undefined) links.set(key, path);
  return first;
}

function typeOf(stats: BigIntStats): TarType | undefined {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  if (stats.isSymbolicLink()) return "symlink";
  if (stats.isFIFO()) return "fifo";
  if (stats.isCharacterDevice()) return "character-device";
  return stats.isBlockDevice() ? "block-device" : undefined;
}

function entryOf(
  stats: BigIntStats,
  type: TarType,
  path: string,
  linkPath: string,
  xattrs: ReadonlyMap<string, Buffer>,
): TarEntry {
  const isDevice = type === "character-device" || type === "block-device";
  return {
    path,
    type,
    mode: Number(stats.mode & 0o7777n),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    size: type === "file" ? Number(stats.size) : 0,
    modifiedNanos: stats.mtimeNs,
    linkPath,
    device: isDevice ? deviceNumbers(stats.rdev) : { major: 0, minor: 0 },
    xattrs,
  };
}

function deviceNumbers(device: bigint): { major: number; minor: number } {
  return {
    major: Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn)),
    minor: Number((device & 0xffn) | ((device >> 12n) & ~0xffn & 0xffffffffn)),
  };
}

const linkTarget = (directory: number, name: string): string =>
  decodeName(readlinkatBytes(directory, systemName(name)));

/** File capabilities are part of a program; nothing else is, to Docker. */
function attributes(directory: number, name: string): ReadonlyMap<string, Buffer> {
  try {
    return new Map([["security.capability", lgetxattr(placeOf(directory, name), "security.capability")]]);
  } catch (error) {
    if (isSyscallError(error, "ENODATA", "EOPNOTSUPP", "ENOENT", "EPERM")) return new Map();
    throw error;
  }
}
