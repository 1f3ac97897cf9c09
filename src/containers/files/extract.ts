import { closeSync, fchmodSync, fchownSync, fstatSync, ftruncateSync, writeSync } from "node:fs";
import { posix } from "node:path";
import { GantryError } from "#base/errors.ts";
import type { TarEntry } from "#formats/tar-entry.ts";
import { tarReader } from "#formats/tar-reader.ts";
import { systemName } from "#formats/tar-text.ts";
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  fchmodat,
  fchownat,
  isSyscallError,
  linkat,
  lsetxattr,
  mkdirat,
  mknodat,
  O_CREAT,
  O_EXCL,
  O_NOFOLLOW,
  O_PATH,
  O_WRONLY,
  openat,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  symlinkat,
  unlinkat,
  utimensat,
} from "#linux/syscalls.ts";
import { lstatIn, openDirectory, placeOf, withHandle } from "./scoped.ts";

export interface ExtractOptions {
  /** A directory never replaces something else, nor the other way round. */
  readonly noOverwriteDirNonDir: boolean;
  /** Owner of everything; undefined: as the archive says. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
}

/**
 * Unpacks an archive into the directory at `path` below a root handle. Whatever the archive holds and whatever the container does
 * meanwhile, nothing outside of the root is touched. Throws `invalid` for a damaged archive or an entry that leaves the directory.
 */
export async function extractInto(
  root: number,
  path: string,
  archive: AsyncIterable<Uint8Array>,
  options: ExtractOptions,
): Promise<void> {
  const times: { path: string; nanos: bigint }[] = [];
  let file: OpenFile | undefined;
  const reader = tarReader({
    entry(entry) {
      const place = placeIn(path, entry.path);
      file = place && makeEntry(root, path, place, entry, options);
      if (place && entry.type === "directory") times.push({ path: place.full, nanos: entry.modifiedNanos });
    },
    data(chunk, offset) {
      if (!file) return;
      for (let at = 0; at < chunk.length;) at += writeSync(file.fd, chunk, at, chunk.length - at, offset + at);
      file.written = offset + chunk.length;
    },
    end() {
      const done = file;
      file = undefined;
      if (done) finishFile(root, done, options);
    },
  });
  try {
    for await (const chunk of archive) reader.write(chunk);
    reader.close();
    // Last of all: what is made in a directory changes its time.
    for (const each of times.toReversed()) setDirectoryTime(root, each.path, each.nanos);
  } finally {
    if (file) closeSync(file.fd);
  }
}

interface Place {
  /** The directory that it lies in, and its name there. */
  readonly parent: string;
  readonly name: string;
  readonly full: string;
}

interface OpenFile {
  readonly fd: number;
  readonly place: Place;
  readonly entry: TarEntry;
  written: number;
}

/** Where an entry goes; undefined for the directory itself. */
function placeIn(base: string, entryPath: string): Place | undefined {
  const clean = posix.normalize(`/${entryPath}`).slice(1).replace(/\/+$/, "");
  if (posix.normalize(entryPath).split("/")[0] === "..")
    throw new GantryError("invalid", `${JSON.stringify(entryPath)} is outside of ${JSON.stringify(base)}`);
  if (clean === "") return undefined;
  const full = posix.join("/", base, clean);
  return { parent: posix.dirname(full), name: posix.basename(full), full };
}

function makeEntry(
  root: number,
  base: string,
  place: Place,
  entry: TarEntry,
  options: ExtractOptions,
): OpenFile | undefined {
  return withHandle(parentHandle(root, place.parent), (parent) => {
    const present = lstatIn(parent, place.name);
    const isDirectory = present?.isDirectory() ?? false;
    if (present) refuseOverwrite(place, entry, isDirectory, options);
    if (entry.type === "directory" && isDirectory) return finish(parent, place.name, entry, options);
    if (present) removeTree(parent, place.name);
    switch (entry.type) {
      case "file":
        return {
          fd: openat(parent, systemName(place.name), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600),
          place,
          entry,
          written: 0,
        };
      case "link":
        return makeLink(root, base, parent, place, entry);
      default:
        makeNode(parent, place.name, entry);
        return finish(parent, place.name, entry, options);
    }
  });
}

/** Directories that the archive has no entry for are made on the way. */
function parentHandle(root: number, path: string): number {
  const handle = openDirectory(root, path);
  if (handle !== undefined) return handle;
  if (path === "/") throw new GantryError("conflict", "the container's root has gone");
  withHandle(parentHandle(root, posix.dirname(path)), (above) => {
    mkdirat(above, systemName(posix.basename(path)), 0o755);
  });
  const made = openDirectory(root, path);
  if (made !== undefined) return made;
  throw new GantryError("invalid", `${path} is not a directory`, { path });
}

function refuseOverwrite(place: Place, entry: TarEntry, isDirectory: boolean, options: ExtractOptions): void {
  if (!options.noOverwriteDirNonDir || isDirectory === (entry.type === "directory")) return;
  throw new GantryError(
    "invalid",
    isDirectory
      ? `cannot overwrite directory ${JSON.stringify(place.full)} with non-directory ${JSON.stringify(entry.path)}`
      : `cannot overwrite non-directory ${JSON.stringify(place.full)} with directory ${JSON.stringify(entry.path)}`,
  );
}

function makeNode(parent: number, name: string, entry: TarEntry): void {
  const system = systemName(name);
  if (entry.type === "directory") mkdirat(parent, system, 0o700);
  else if (entry.type === "symlink") symlinkat(systemName(entry.linkPath), parent, system);
  else if (entry.type === "fifo") mknodat(parent, system, S_IFIFO, { major: 0, minor: 0 });
  else mknodat(parent, system, entry.type === "block-device" ? S_IFBLK : S_IFCHR, entry.device);
}

/** Its target is another entry of the archive, and so below the same directory. */
function makeLink(root: number, base: string, parent: number, place: Place, entry: TarEntry): undefined {
  const target = placeIn(base, entry.linkPath);
  if (!target)
    throw new GantryError(
      "invalid",
      `invalid hardlink ${JSON.stringify(entry.path)} -> ${JSON.stringify(entry.linkPath)}`,
    );
  withHandle(parentHandle(root, target.parent), (from) => {
    if (!lstatIn(from, target.name)?.isFile())
      throw new GantryError(
        "invalid",
        `invalid hardlink ${JSON.stringify(entry.path)} -> ${JSON.stringify(entry.linkPath)}`,
      );
    linkat(from, systemName(target.name), parent, systemName(place.name));
  });
}

function finishFile(root: number, { fd, place, entry, written }: OpenFile, options: ExtractOptions): void {
  try {
    if (written < entry.size) ftruncateSync(fd, entry.size);
    fchownSync(fd, options.owner?.uid ?? entry.uid, options.owner?.gid ?? entry.gid);
    // After the owner: a change of owner takes setuid away.
    fchmodSync(fd, entry.mode);
  } finally {
    closeSync(fd);
  }
  const parent = openDirectory(root, place.parent);
  if (parent === undefined) return;
  withHandle(parent, () => {
    setAttributes(parent, place.name, entry);
    setTime(parent, place.name, entry.modifiedNanos);
  });
}

function finish(parent: number, name: string, entry: TarEntry, { owner }: ExtractOptions): undefined {
  fchownat(parent, systemName(name), owner?.uid ?? entry.uid, owner?.gid ?? entry.gid);
  if (entry.type !== "symlink") setMode(parent, name, entry.mode);
  setAttributes(parent, name, entry);
  if (entry.type !== "directory") setTime(parent, name, entry.modifiedNanos);
}

/** By a handle of the node itself: a link that the container puts in its place must not be followed (CVE-2021-41089). */
function setMode(parent: number, name: string, mode: number): void {
  withHandle(openat(parent, systemName(name), O_PATH | O_NOFOLLOW), (handle) => {
    const place = `/proc/self/fd/${handle}`;
    if (!fstatSync(handle).isSymbolicLink()) fchmodat(AT_FDCWD, place, mode);
  });
}

function setAttributes(parent: number, name: string, entry: TarEntry): void {
  for (const [key, value] of entry.xattrs) {
    // As Docker: what this file system cannot have is left out; overlayfs' own are not the archive's to give.
    if (key.startsWith("trusted.overlay.")) continue;
    try {
      lsetxattr(placeOf(parent, name), key, value);
    } catch (error) {
      if (!isSyscallError(error, "EOPNOTSUPP", "EPERM", "ENOENT")) throw error;
    }
  }
}

function setTime(parent: number, name: string, nanos: bigint): void {
  try {
    utimensat(parent, systemName(name), { accessedNanos: nanos, modifiedNanos: nanos });
  } catch (error) {
    if (!isSyscallError(error, "ENOENT", "EINVAL")) throw error;
  }
}

function setDirectoryTime(root: number, path: string, nanos: bigint): void {
  const parent = openDirectory(root, posix.dirname(path));
  if (parent !== undefined) withHandle(parent, () => setTime(parent, posix.basename(path), nanos));
}

/** Removes what is in an entry's place, without following anything. */
function removeTree(parent: number, name: string): void {
  try {
    unlinkat(parent, systemName(name));
    return;
  } catch (error) {
    if (isSyscallError(error, "ENOENT")) return;
    if (!isSyscallError(error, "EISDIR", "EPERM")) throw error;
  }
  try {
    unlinkat(parent, systemName(name), AT_REMOVEDIR);
  } catch (error) {
    if (isSyscallError(error, "ENOTEMPTY"))
      throw new GantryError(
        "invalid",
        `cannot replace the directory ${JSON.stringify(name)}: it is not empty`,
        {},
        error,
      );
    if (!isSyscallError(error, "ENOENT")) throw error;
  }
}
