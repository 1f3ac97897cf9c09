import { closeSync, fchmodSync, fchownSync, ftruncateSync, writeSync } from "node:fs";
import { GantryError } from "#base/errors.ts";
import type { TarEntry } from "#formats/tar-entry.ts";
import type { TarHandler } from "#formats/tar-reader.ts";
import { systemName } from "#formats/tar-text.ts";
import {
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
  O_WRONLY,
  openat,
  renameat2,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  symlinkat,
  unlinkat,
  utimensat,
} from "#linux/syscalls.ts";
import { cloneFile } from "#linux/btrfs.ts";
import { handlePath, isWhiteout, lstatIn, openFolder, placed, rootTree, type RootTree } from "./root-tree.ts";
import { entryComponents, linkComponents } from "./tar-paths.ts";

/** Where a layer is unpacked: `diff` becomes the layer, `trash` takes directories that the archive replaced again. Both exist and are empty. */
export interface UnpackTarget {
  readonly diff: string;
  readonly trash: string;
}

export interface UnpackLimits {
  /** Of all files together, holes included. */
  readonly bytes: number;
  readonly entries: number;
}

export const UNPACK_LIMITS: UnpackLimits = { bytes: 2 ** 43, entries: 8_000_000 };

export interface Unpacked {
  /** Bytes of the archive's files: what Docker calls the layer's size. */
  readonly size: number;
  readonly entries: number;
  /** Directories (relative, "" is the root) that have no entry: their owner, mode and times are those of the layers below. */
  readonly implicit: readonly string[];
  /** The layer hides all that is below it. */
  readonly opaqueRoot: boolean;
}

export interface LayerUnpacker extends TarHandler {
  /** Gives the present entry the bytes of an open file, shared with it; false where the file system cannot. */
  clone(source: number): boolean;
  /** To be called once, after the archive's end. */
  finish(): Unpacked;
  /** Lets go of everything, whatever happened. */
  close(): void;
}

const WHITEOUT = ".wh.";
const META = ".wh..wh.";
const OPAQUE = ".wh..wh..opq";
const OPAQUE_ATTRIBUTE = "trusted.overlay.opaque";
const YES = Buffer.from("y");

/**
 * Makes the files of a layer's archive in overlayfs' form: a whiteout becomes a character device 0:0, an opaque directory
 * gets trusted.overlay.opaque (OCI image-spec layer.md, "Whiteouts"; kernel overlayfs.rst). Whatever the archive holds,
 * nothing outside of the target is read or changed. Synchronous: for a worker thread.
 */
export function layerUnpacker(target: UnpackTarget, limits = UNPACK_LIMITS): LayerUnpacker {
  const tree = rootTree(openFolder(target.diff));
  const trash = openFolder(target.trash);
  const state: State = { tree, trash, trashed: 0, times: new Map(), opaqueRoot: false };
  let size = 0;
  let entries = 0;
  let rootSeen = false;
  let file: OpenFile | undefined;
  return {
    entry(entry) {
      entries++;
      size += entry.size;
      if (size > limits.bytes) throw new GantryError("too-large", `layer has more than ${limits.bytes} bytes`);
      if (entries > limits.entries) throw new GantryError("too-large", `layer has more than ${limits.entries} entries`);
      const parts = entryComponents(entry.path);
      try {
        if (parts.length === 0) rootSeen = applyRoot(state, entry);
        else file = applyEntry(state, parts, entry);
      } catch (error) {
        throw placed(error, parts.join("/"));
      }
    },
    data(chunk, offset) {
      if (file) writeAll(file, chunk, offset);
    },
    clone(source) {
      if (!file || !cloneFile(source, file.fd)) return false;
      file.written = file.entry.size;
      return true;
    },
    end() {
      const done = file;
      file = undefined;
      if (done) closeFile(done);
    },
    finish() {
      setTimes(state);
      const implicit = [...(rootSeen ? [] : [""]), ...tree.implicit];
      return { size, entries, implicit, opaqueRoot: state.opaqueRoot };
    },
    close() {
      if (file) closeSync(file.fd);
      file = undefined;
      tree.close();
      closeSync(trash);
    },
  };
}

interface State {
  readonly tree: RootTree;
  readonly trash: number;
  trashed: number;
  /** Modification times of directories, set when nothing is made in them any more. */
  readonly times: Map<string, bigint>;
  opaqueRoot: boolean;
}

interface OpenFile {
  readonly fd: number;
  readonly parent: number;
  readonly name: string;
  readonly entry: TarEntry;
  written: number;
}

function applyRoot(state: State, entry: TarEntry): true {
  if (entry.type !== "directory") {
    throw new GantryError("invalid", `tar entry ${JSON.stringify(entry.path)} is no directory, but the root is`);
  }
  const { root } = state.tree;
  fchownSync(root, entry.uid, entry.gid);
  fchmodSync(root, entry.mode);
  setAttributes(root, ".", entry);
  state.times.set("", entry.modifiedNanos);
  return true;
}

function applyEntry(state: State, parts: readonly string[], entry: TarEntry): OpenFile | undefined {
  const place = { folder: parts.slice(0, -1), name: parts.at(-1) ?? "" };
  if (place.folder[0]?.startsWith(META)) return undefined;
  if (place.name.startsWith(WHITEOUT)) applyWhiteout(state, place, entry);
  else if (entry.type === "directory") makeDirectory(state, place, entry);
  else if (entry.type === "file") return makeFile(state, place, entry);
  else if (entry.type === "link") makeLink(state, place, entry);
  else makeNode(state, place, entry);
  return undefined;
}

/** Where an entry goes: a name in a directory, which is looked up anew for each step, since handles do not last. */
interface Place {
  readonly folder: readonly string[];
  readonly name: string;
}

function handleOf(state: State, place: Place): number {
  return state.tree.directory(place.folder);
}

/** A name that hides one of the layers below (or all of them); other names of this kind were aufs' own and mean nothing. */
function applyWhiteout(state: State, place: Place, entry: TarEntry): void {
  if (place.name === OPAQUE) {
    if (place.folder.length === 0) state.opaqueRoot = true;
    else lsetxattr(handlePath(handleOf(state, place), "."), OPAQUE_ATTRIBUTE, YES);
    return;
  }
  if (place.name.startsWith(META)) return;
  const hidden = place.name.slice(WHITEOUT.length);
  if (hidden === "" || hidden === "." || hidden === "..") {
    throw new GantryError("invalid", `whiteout ${JSON.stringify(entry.path)} names no file`);
  }
  const parent = handleOf(state, place);
  const present = lstatIn(parent, hidden);
  if (!present) {
    mknodat(parent, systemName(hidden), S_IFCHR, { major: 0, minor: 0 });
    fchownat(parent, systemName(hidden), entry.uid, entry.gid);
  } else if (present.isDirectory()) {
    // Only what the layers below have there is hidden, not what this one brings.
    lsetxattr(handlePath(parent, hidden), OPAQUE_ATTRIBUTE, YES);
  }
}

/** Calls `make`, which replaces nothing; when something is in its place, that goes first. */
function makeInPlace(state: State, place: Place, make: (parent: number) => void): void {
  try {
    make(handleOf(state, place));
    return;
  } catch (error) {
    if (!isSyscallError(error, "EEXIST")) throw error;
  }
  clearPlace(state, place);
  make(handleOf(state, place));
}

function clearPlace(state: State, place: Place): void {
  const parent = handleOf(state, place);
  try {
    unlinkat(parent, systemName(place.name));
  } catch (error) {
    if (!isSyscallError(error, "EISDIR")) throw error;
    renameat2(parent, systemName(place.name), state.trash, String(state.trashed++));
  }
  state.tree.forget();
}

function makeDirectory(state: State, place: Place, entry: TarEntry): void {
  const name = systemName(place.name);
  const present = lstatIn(handleOf(state, place), place.name);
  if (present && !present.isDirectory()) clearPlace(state, place);
  const parent = handleOf(state, place);
  if (!present?.isDirectory()) mkdirat(parent, name, 0o700);
  // What this layer had there hid the directories below; so does the directory that takes its place.
  if (present && !present.isDirectory()) lsetxattr(handlePath(parent, place.name), OPAQUE_ATTRIBUTE, YES);
  fchownat(parent, name, entry.uid, entry.gid);
  fchmodat(parent, name, entry.mode);
  setAttributes(parent, place.name, entry);
  const key = [...place.folder, place.name].join("/");
  state.tree.implicit.delete(key);
  state.times.set(key, entry.modifiedNanos);
}

function makeFile(state: State, place: Place, entry: TarEntry): OpenFile {
  let fd = -1;
  makeInPlace(state, place, (parent) => {
    fd = openat(parent, systemName(place.name), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600);
  });
  return { fd, parent: handleOf(state, place), name: place.name, entry, written: 0 };
}

function writeAll(file: OpenFile, chunk: Buffer, offset: number): void {
  try {
    for (let at = 0; at < chunk.length;) at += writeSync(file.fd, chunk, at, chunk.length - at, offset + at);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOSPC" || code === "EDQUOT")
      throw new GantryError("unavailable", "no space left on device", {}, error);
    throw error;
  }
  file.written = offset + chunk.length;
}

function closeFile({ fd, parent, name, entry, written }: OpenFile): void {
  try {
    if (written < entry.size) ftruncateSync(fd, entry.size);
    fchownSync(fd, entry.uid, entry.gid);
    // After the owner: a change of owner takes setuid and file capabilities away.
    fchmodSync(fd, entry.mode);
  } finally {
    closeSync(fd);
  }
  setAttributes(parent, name, entry);
  setTime(parent, name, entry.modifiedNanos);
}

/** Symbolic links, devices and fifos. */
function makeNode(state: State, place: Place, entry: TarEntry): void {
  const name = systemName(place.name);
  makeInPlace(state, place, (parent) => {
    if (entry.type === "symlink") symlinkat(systemName(entry.linkPath), parent, name);
    else if (entry.type === "fifo") mknodat(parent, name, S_IFIFO, { major: 0, minor: 0 });
    else mknodat(parent, name, entry.type === "block-device" ? S_IFBLK : S_IFCHR, entry.device);
  });
  const parent = handleOf(state, place);
  fchownat(parent, name, entry.uid, entry.gid);
  if (entry.type !== "symlink") fchmodat(parent, name, entry.mode);
  setAttributes(parent, place.name, entry);
  setTime(parent, place.name, entry.modifiedNanos);
}

/** A hard link takes everything from its target, which must be a file of this layer. */
function makeLink(state: State, place: Place, entry: TarEntry): void {
  const target = linkComponents(entry.path, entry.linkPath);
  if (target.join("/") === [...place.folder, place.name].join("/")) return;
  const source = target.at(-1) ?? "";
  makeInPlace(state, place, (parent) => {
    const from = state.tree.find(target.slice(0, -1));
    const present = from === undefined ? undefined : lstatIn(from, source);
    if (from === undefined || !present || present.isDirectory() || isWhiteout(present)) {
      throw new GantryError(
        "invalid",
        `invalid hardlink ${JSON.stringify(entry.path)} -> ${JSON.stringify(entry.linkPath)}: no such file in the layer`,
      );
    }
    linkat(from, systemName(source), parent, systemName(place.name));
  });
}

/** Attributes of overlayfs' own are not the archive's to give: they could make one layer's directory show another's (redirect). */
function setAttributes(parent: number, name: string, entry: TarEntry): void {
  for (const [key, value] of entry.xattrs) {
    if (key.startsWith("trusted.overlay.")) continue;
    try {
      lsetxattr(handlePath(parent, name), key, value);
    } catch (error) {
      // As Docker: what this file system or kind of file cannot have is left out.
      if (!isSyscallError(error, "EOPNOTSUPP", "EPERM")) throw error;
    }
  }
}

const MAX_SECONDS = 2n ** 62n / 1_000_000_000n;

function setTime(parent: number, name: string, nanos: bigint): void {
  const seconds = nanos / 1_000_000_000n;
  const time = seconds > MAX_SECONDS || seconds < -MAX_SECONDS ? 0n : nanos;
  utimensat(parent, systemName(name), { accessedNanos: time, modifiedNanos: time });
}

/** Last of all, from the deepest up is not needed: setting a time changes no other. */
function setTimes(state: State): void {
  for (const [key, nanos] of state.times) {
    const parts = key === "" ? [] : key.split("/");
    const parent = state.tree.find(parts.slice(0, -1));
    const name = parts.at(-1) ?? ".";
    if (parent !== undefined && lstatIn(parent, name)?.isDirectory()) setTime(parent, name, nanos);
  }
}
