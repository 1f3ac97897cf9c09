import { closeSync, opendirSync } from "node:fs";
import { decodeName, systemName } from "#formats/tar-text.ts";
import { AT_REMOVEDIR, isSyscallError, RENAME_NOREPLACE, renameat2, unlinkat } from "#linux/syscalls.ts";
import { destroySubvolume } from "#linux/btrfs.ts";
import { lstatIn, openFolder, openSubfolder } from "./root-tree.ts";

/**
 * Empties a directory of the host. Nothing is followed, no path grows and two handles are held at a time, however deep a
 * container has nested its directories: a directory that is not empty moves up into `folder` and waits for its turn.
 * With a `budget` it stops after that many files; false when something is left.
 */
export function emptyFolder(folder: string, budget = Number.POSITIVE_INFINITY): boolean {
  const handle = openFolder(folder);
  const work = { moved: 0, budget };
  try {
    for (let left = true; left;) {
      left = false;
      for (const name of names(handle)) {
        left = true;
        if (--work.budget < 0) return false;
        if (!removeFile(handle, name)) flatten(handle, name, work);
      }
    }
    return true;
  } finally {
    closeSync(handle);
  }
}

interface Work {
  /** Directories moved up so far: their names. */
  moved: number;
  /** Files that may still be looked at. */
  budget: number;
}

/** Names in a directory, read piece by piece. */
export function* names(handle: number): Generator<string> {
  const directory = opendirSync(`/proc/self/fd/${handle}`, { encoding: "buffer" as BufferEncoding, bufferSize: 256 });
  try {
    for (let entry = directory.readSync(); entry; entry = directory.readSync()) {
      yield decodeName(entry.name as unknown as Buffer);
    }
  } finally {
    directory.closeSync();
  }
}

/** False when it is a directory with something in it. */
function removeFile(handle: number, name: string): boolean {
  try {
    unlinkat(handle, systemName(name));
    return true;
  } catch (error) {
    if (isSyscallError(error, "ENOENT")) return true;
    if (!isSyscallError(error, "EISDIR")) throw error;
  }
  try {
    unlinkat(handle, systemName(name), AT_REMOVEDIR);
    return true;
  } catch (error) {
    if (isSyscallError(error, "ENOENT")) return true;
    if (!isSyscallError(error, "ENOTEMPTY", "EEXIST")) throw error;
    // Nothing can be moved out of a subvolume, but it goes as a whole.
    return isSubvolume(handle, name) && destroySubvolume(handle, name);
  }
}

/** The top of a btrfs subvolume has this number (linux/btrfs_tree.h, BTRFS_FIRST_FREE_OBJECTID). */
const SUBVOLUME_INODE = 256;

function isSubvolume(handle: number, name: string): boolean {
  return lstatIn(handle, name)?.ino === SUBVOLUME_INODE;
}

/** Removes the files of a directory and moves its directories one up. */
function flatten(top: number, name: string, work: Work): void {
  const handle = openSubfolder(top, name);
  if (handle === undefined) return;
  try {
    for (const child of names(handle)) {
      if (--work.budget < 0) return;
      if (!removeFile(handle, child)) moveUp(handle, child, top, work);
    }
  } finally {
    closeSync(handle);
  }
  removeFile(top, name);
}

function moveUp(handle: number, name: string, top: number, work: Work): void {
  for (;;) {
    try {
      renameat2(handle, systemName(name), top, `.gone-${work.moved++}`, RENAME_NOREPLACE);
      return;
    } catch (error) {
      if (!isSyscallError(error, "EEXIST")) throw error;
    }
  }
}
