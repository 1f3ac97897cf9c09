import { closeSync, fchmodSync, fchownSync, fstatSync, ftruncateSync, readdirSync, writeSync } from "node:fs";
import { GantryError } from "#base/errors.ts";
import type { TarEntry } from "#formats/tar-entry.ts";
import type { TarHandler } from "#formats/tar-reader.ts";
import { decodeName, systemName } from "#formats/tar-text.ts";
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  close,
  fchmodat,
  fchownat,
  isSyscallError,
  linkat,
  lsetxattr,
  mkdirat,
  mknodat,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_WRONLY,
  openat,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  symlinkat,
  unlinkat,
  utimensat,
} from "#linux/syscalls.ts";
import { lstatIn, makeDirectory, openDirectory, pathIn, splitPath } from "./rooted.ts";

export interface WriteOptions {
  /** Owner of everything instead of the archive's. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Permission bits of everything instead of the archive's, or what becomes of those. */
  readonly mode?: number | ((mode: number, isDirectory: boolean) => number);
  /** Modification time of everything instead of the archive's. */
  readonly modifiedNanos?: bigint;
  /** Refuse to put a directory in the place of something else, and the other way round (else the old one goes). */
  readonly keepKinds: boolean;
  /** The most bytes of all files together. */
  readonly limitBytes?: number;
}

/**
 * Writes a tar into the directory `target` below `root` (a borrowed handle); nothing outside the root is reached, whatever links lie in it or
 * come with the archive. Hand it to a tarReader; call `finish` after the archive's end, `close` in any case.
 */
export function treeWriter(
  root: number,
  target: string,
  options: WriteOptions,
): TarHandler & { finish(): void; close(): void } {
  const times: { path: string; nanos: bigint }[] = [];
  let written = 0;
  let file: OpenFile | undefined;
  return {
    entry(given) {
      const entry = {
        ...given,
        mode: modeOf(given, options),
        ...(options.modifiedNanos !== undefined && { modifiedNanos: options.modifiedNanos }),
      };
      written += entry.size;
      if (options.limitBytes !== undefined && written > options.limitBytes)
        throw new GantryError("too-large", `archive has more than ${options.limitBytes} bytes`);
      const path = join(target, componentsOf(entry.path).join("/"));
      try {
        if (entry.type === "directory") times.push({ path, nanos: entry.modifiedNanos });
        file = applyEntry(root, target, path, entry, options);
      } catch (error) {
        throw readable(error, path);
      }
    },
    data(chunk, offset) {
      for (let done = 0; file && done < chunk.length;)
        done += writeSync(file.fd, chunk, done, chunk.length - done, offset + done);
    },
    end() {
      const done = file;
      file = undefined;
      if (done) finishFile(done, options);
    },
    finish() {
      // What is written into a directory changes its time: the innermost are set first.
      for (const { path, nanos } of times.toReversed()) setDirectoryTime(root, path, nanos);
    },
    close() {
      if (file) closeFile(file);
      file = undefined;
    },
  };
}

/** A file that is being written, and the directory that it lies in. */
interface OpenFile {
  readonly fd: number;
  readonly parent: number;
  readonly name: string;
  readonly entry: TarEntry;
}

function closeFile({ fd, parent }: OpenFile): void {
  closeSync(fd);
  close(parent);
}

function applyEntry(
  root: number,
  target: string,
  path: string,
  entry: TarEntry,
  options: WriteOptions,
): OpenFile | undefined {
  if (path === target || path === "") return undefined; // the target itself stays as it is
  const [directory, name] = splitPath(path);
  const parent = makeDirectory(root, directory);
  let file: OpenFile | undefined;
  try {
    const there = clearWay(parent, name, path, entry, options);
    if (entry.type === "file")
      file = {
        fd: openat(parent, systemName(name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600),
        parent,
        name,
        entry,
      };
    else if (entry.type === "link")
      linkInside(root, join(target, componentsOf(entry.linkPath).join("/")), parent, name);
    else {
      if (!there) makeNode(parent, name, entry);
      setAttributes(parent, name, entry, options);
    }
  } finally {
    if (!file) close(parent);
  }
  return file;
}

function modeOf({ mode, type }: TarEntry, { mode: wanted }: WriteOptions): number {
  return typeof wanted === "function" ? wanted(mode, type === "directory") : (wanted ?? mode);
}

function makeNode(parent: number, name: string, entry: TarEntry): void {
  const nodes = { fifo: S_IFIFO, "block-device": S_IFBLK, "character-device": S_IFCHR };
  if (entry.type === "directory") mkdirat(parent, systemName(name), entry.mode & 0o777);
  else if (entry.type === "symlink") symlinkat(systemName(entry.linkPath), parent, systemName(name));
  else mknodat(parent, systemName(name), nodes[entry.type as keyof typeof nodes] | (entry.mode & 0o777), entry.device);
}

function setAttributes(parent: number, name: string, entry: TarEntry, { owner }: WriteOptions): void {
  fchownat(parent, systemName(name), owner?.uid ?? entry.uid, owner?.gid ?? entry.gid);
  if (entry.type !== "symlink") setMode(parent, name, entry.mode);
  if (entry.type !== "directory") utimensat(parent, systemName(name), timesOf(entry.modifiedNanos));
}

/** By a handle of the node itself: a link that the container puts in its place meanwhile must not be followed (CVE-2021-41089). */
function setMode(parent: number, name: string, mode: number): void {
  const handle = openat(parent, systemName(name), O_PATH | O_NOFOLLOW);
  try {
    if (!fstatSync(handle).isSymbolicLink()) fchmodat(AT_FDCWD, `/proc/self/fd/${handle}`, mode);
  } finally {
    close(handle);
  }
}

function timesOf(nanos: bigint): { accessedNanos: bigint; modifiedNanos: bigint } {
  return { accessedNanos: nanos, modifiedNanos: nanos };
}

/** Takes away what is in the way; true when a directory is there and one is wanted. */
function clearWay(parent: number, name: string, path: string, entry: TarEntry, { keepKinds }: WriteOptions): boolean {
  const there = lstatIn(parent, name);
  if (!there) return false;
  const isDirectory = there.isDirectory();
  const wantsDirectory = entry.type === "directory";
  if (isDirectory && wantsDirectory) return true;
  if (keepKinds && isDirectory !== wantsDirectory) {
    const [old, fresh] = isDirectory ? ["directory", "non-directory"] : ["non-directory", "directory"];
    throw new GantryError("invalid", `cannot overwrite ${old} "/${path}" with ${fresh} "${entry.path}"`, { path });
  }
  if (isDirectory) removeFolder(parent, name);
  else unlinkat(parent, systemName(name));
  return false;
}

function removeFolder(parent: number, name: string): void {
  const handle = openat(parent, systemName(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    for (const child of readdirSync(`/proc/self/fd/${handle}`, { encoding: "buffer" }).map(decodeName)) {
      if (lstatIn(handle, child)?.isDirectory()) removeFolder(handle, child);
      else unlinkat(handle, systemName(child));
    }
  } finally {
    close(handle);
  }
  unlinkat(parent, systemName(name), AT_REMOVEDIR);
}

function linkInside(root: number, from: string, parent: number, name: string): void {
  const [directory, last] = splitPath(from);
  const source = openDirectory(root, directory);
  if (source === undefined) throw new GantryError("invalid", `invalid hardlink "${name}" -> "${from}"`);
  try {
    linkat(source, systemName(last), parent, systemName(name));
  } finally {
    close(source);
  }
}

function finishFile(file: OpenFile, { owner }: WriteOptions): void {
  const { fd, parent, name, entry } = file;
  try {
    ftruncateSync(fd, entry.size);
    fchownSync(fd, owner?.uid ?? entry.uid, owner?.gid ?? entry.gid);
    fchmodSync(fd, entry.mode);
    const capability = entry.xattrs.get("security.capability");
    if (capability) lsetxattr(pathIn(parent, name), "security.capability", capability);
    utimensat(parent, systemName(name), timesOf(entry.modifiedNanos));
  } finally {
    closeFile(file);
  }
}

function setDirectoryTime(root: number, path: string, nanos: bigint): void {
  const handle = openDirectory(root, path);
  if (handle === undefined) return;
  try {
    utimensat(handle, ".", timesOf(nanos));
  } finally {
    close(handle);
  }
}

/** The components of a path of the archive. Throws `invalid` when it climbs out. */
function componentsOf(path: string): string[] {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined)
      throw new GantryError("invalid", `${JSON.stringify(path)} is outside of the target`, { path });
  }
  return parts;
}

function join(directory: string, rest: string): string {
  return directory === "" || rest === "" ? directory + rest : `${directory}/${rest}`;
}

function readable(error: unknown, path: string): unknown {
  if (isSyscallError(error, "ENOSPC", "EDQUOT"))
    return new GantryError("unavailable", "no space left on device", {}, error);
  if (isSyscallError(error, "EROFS"))
    return new GantryError("forbidden", "mounted volume is marked read-only", {}, error);
  if (isSyscallError(error)) return new GantryError("invalid", `"/${path}": ${error.message}`, { path }, error);
  return error;
}
