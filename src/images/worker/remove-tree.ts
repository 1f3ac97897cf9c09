import { closeSync, opendirSync } from "node:fs";
import { decodeName, systemName } from "#formats/tar-text.ts";
import { AT_REMOVEDIR, isSyscallError, RENAME_NOREPLACE, renameat2, unlinkat } from "#linux/syscalls.ts";
import { openFolder, openSubfolder } from "./root-tree.ts";

/**
 * Empties a directory of the host. Nothing is followed, no path grows and two handles are held at a time, however deep a
 * container has nested its directories: a directory that is not empty moves up into `folder` and waits for its turn.
 */
export function emptyFolder(folder: string): void {
  const handle = openFolder(folder);
  try {
    let moved = 0;
    for (let left = true; left;) {
      left = false;
      for (const name of names(handle)) {
        left = true;
        if (!removeFile(handle, name)) moved = flatten(handle, name, moved);
      }
    }
  } finally {
    closeSync(handle);
  }
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
    if (!isSyscallError(error, "EISDIR", "EPERM")) throw error;
  }
  try {
    unlinkat(handle, systemName(name), AT_REMOVEDIR);
    return true;
  } catch (error) {
    if (isSyscallError(error, "ENOENT")) return true;
    if (!isSyscallError(error, "ENOTEMPTY", "EEXIST")) throw error;
    return false;
  }
}

/** Removes the files of a directory and moves its directories one up; returns the count of those moved so far. */
function flatten(top: number, name: string, moved: number): number {
  const handle = openSubfolder(top, name);
  if (handle === undefined) return moved;
  try {
    for (const child of names(handle)) {
      if (!removeFile(handle, child)) moved = moveUp(handle, child, top, moved);
    }
  } finally {
    closeSync(handle);
  }
  removeFile(top, name);
  return moved;
}

function moveUp(handle: number, name: string, top: number, moved: number): number {
  for (let number = moved; ; number++) {
    try {
      renameat2(handle, systemName(name), top, `.gone-${number}`, RENAME_NOREPLACE);
      return number + 1;
    } catch (error) {
      if (!isSyscallError(error, "EEXIST")) throw error;
    }
  }
}
