import { constants } from "node:fs";
import { lchown, lstat, open, readdir, type FileHandle } from "node:fs/promises";

const SET_GID = 0o2000;
const DIRECTORY_BITS = SET_GID | 0o070;
const FILE_BITS = 0o060;

/**
 * Makes a volume's whole tree the group's: readable and writable for it, and what is made later too (kubelet's SetVolumeOwnership).
 * With `onlyOnMismatch` nothing is done when the top already is so. Whoever shares the volume may move things meanwhile: everything is
 * reached through the handle of its directory, and no link is followed.
 */
export async function giveTreeToGroup(root: string, gid: number, onlyOnMismatch: boolean): Promise<void> {
  const directory = await open(root, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const { gid: owner, mode } = await directory.stat();
    if (onlyOnMismatch && owner === gid && (mode & DIRECTORY_BITS) === DIRECTORY_BITS) return;
    await giveDirectory(directory, gid);
  } finally {
    await directory.close();
  }
}

/** The directory itself comes last: a pass that was cut short is seen by the next one. */
async function giveDirectory(directory: FileHandle, gid: number): Promise<void> {
  const here = `/proc/self/fd/${directory.fd}`;
  for (const name of await readdir(here)) await giveEntry(`${here}/${name}`, gid);
  await giveHandle(directory, gid, DIRECTORY_BITS);
}

async function giveEntry(path: string, gid: number): Promise<void> {
  const found = await lstat(path);
  // Links, sockets, pipes and devices change their owner only: to open them may do something.
  if (!found.isDirectory() && !found.isFile()) return lchown(path, found.uid, gid);
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const handle = await open(path, found.isDirectory() ? flags | constants.O_DIRECTORY : flags);
  try {
    await (found.isDirectory() ? giveDirectory(handle, gid) : giveHandle(handle, gid, FILE_BITS));
  } finally {
    await handle.close();
  }
}

async function giveHandle(handle: FileHandle, gid: number, bits: number): Promise<void> {
  const { uid, mode } = await handle.stat();
  await handle.chown(uid, gid);
  await handle.chmod((mode & 0o7777) | bits);
}
