import { closeSync, fstatSync, readSync, type BigIntStats } from "node:fs";
import type { TarEntry, TarType } from "#formats/tar-entry.ts";
import { decodeName, systemName } from "#formats/tar-text.ts";
import {
  isSyscallError,
  lgetxattr,
  llistxattr,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDONLY,
  openat,
  readlinkatBytes,
} from "#linux/syscalls.ts";
import { withFolder, type Child, type Layers } from "./merged-tree.ts";
import { handlePath } from "./root-tree.ts";

/** One file of a tree as an archive has it. `open` gives its bytes. */
export interface TreeEntry {
  readonly entry: TarEntry;
  /** Descriptor of a regular file with data, to be closed by the caller; undefined when it is gone or another one by now. */
  open(): number | undefined;
}

/** Turns files into entries; remembers those with several names (hard links), by inode. */
export interface EntryReader {
  /** Undefined for sockets, which archives do not have, and for what has gone meanwhile. */
  read(path: string, child: Child): TreeEntry | undefined;
}

export function entryReader(layers: Layers): EntryReader {
  const linked = new Map<string, string>();
  return {
    read(path, child) {
      const { stats, layer } = child;
      const type = typeOf(stats);
      if (!type) return undefined;
      const slash = path.lastIndexOf("/");
      const folder = slash < 0 ? "" : path.slice(0, slash);
      const name = path.slice(slash + 1);
      const twin = twinOf(linked, path, child);
      const entry = withFolder(layers, folder, layer, (handle) =>
        describe(handle, name, path, twin === undefined ? type : "link", stats, twin),
      );
      if (!entry) return undefined;
      return { entry, open: () => withFolder(layers, folder, layer, (handle) => openSame(handle, name, stats)) };
    },
  };
}

function typeOf(stats: BigIntStats): TarType | undefined {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  if (stats.isSymbolicLink()) return "symlink";
  if (stats.isCharacterDevice()) return "character-device";
  if (stats.isBlockDevice()) return "block-device";
  return stats.isFIFO() ? "fifo" : undefined;
}

/** The first name of a file that has several; undefined for the first name itself. */
function twinOf(linked: Map<string, string>, path: string, { stats, layer }: Child): string | undefined {
  if (stats.nlink < 2n || stats.isDirectory()) return undefined;
  const key = `${layer}:${stats.ino}`;
  const first = linked.get(key);
  if (first === undefined) linked.set(key, path);
  return first;
}

function describe(
  handle: number,
  name: string,
  path: string,
  type: TarType,
  stats: BigIntStats,
  twin: string | undefined,
): TarEntry | undefined {
  try {
    return {
      path: type === "directory" ? `${path}/` : path,
      type,
      mode: Number(stats.mode & 0o7777n),
      uid: Number(stats.uid),
      gid: Number(stats.gid),
      size: type === "file" ? Number(stats.size) : 0,
      modifiedNanos: stats.mtimeNs,
      linkPath: twin ?? (type === "symlink" ? decodeName(readlinkatBytes(handle, systemName(name))) : ""),
      device: type.endsWith("device") ? deviceOf(stats.rdev) : { major: 0, minor: 0 },
      xattrs: type === "link" ? new Map() : readAttributes(handle, name),
    };
  } catch (error) {
    if (isSyscallError(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** As glibc's gnu_dev_major and gnu_dev_minor take a device number apart. */
function deviceOf(rdev: bigint): { major: number; minor: number } {
  const major = ((rdev >> 32n) & 0xfffff000n) | ((rdev >> 8n) & 0xfffn);
  const minor = ((rdev >> 12n) & 0xffffff00n) | (rdev & 0xffn);
  return { major: Number(major), minor: Number(minor) };
}

/** Attributes that belong to the file itself: not overlayfs' marks, nor labels of this machine's policy. */
export function readAttributes(handle: number, name: string): Map<string, Buffer> {
  const attributes = new Map<string, Buffer>();
  const path = handlePath(handle, name);
  for (const key of listAttributes(path)) {
    if (key.startsWith("trusted.overlay.") || key === "security.selinux") continue;
    attributes.set(key, lgetxattr(path, key));
  }
  return attributes;
}

function listAttributes(path: string | Buffer): readonly string[] {
  try {
    return llistxattr(path);
  } catch (error) {
    if (isSyscallError(error, "EOPNOTSUPP")) return [];
    throw error;
  }
}

function openSame(handle: number, name: string, stats: BigIntStats): number | undefined {
  let fd: number;
  try {
    fd = openat(handle, systemName(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if (isSyscallError(error, "ENOENT", "ELOOP", "ENXIO")) return undefined;
    throw error;
  }
  const now = fstatSync(fd, { bigint: true });
  if (now.isFile() && now.ino === stats.ino && now.dev === stats.dev) return fd;
  closeSync(fd);
  return undefined;
}

const READ_BYTES = 1024 * 1024;

/**
 * The bytes of a file, exactly as many as its entry says: one that was cut short meanwhile is filled up with zeros. Closes the
 * descriptor. Each chunk is new memory.
 */
export function* fileBytes(fd: number, size: number): Generator<Buffer> {
  try {
    for (let at = 0; at < size;) {
      const chunk = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, size - at));
      const length = readSync(fd, chunk, 0, chunk.length, at);
      if (length === 0) chunk.fill(0);
      yield length === 0 ? chunk : chunk.subarray(0, length);
      at += length === 0 ? chunk.length : length;
    }
  } finally {
    closeSync(fd);
  }
}
