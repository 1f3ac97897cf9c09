import { closeSync, lstatSync, type BigIntStats } from "node:fs";
import { encodeName, systemName } from "#formats/tar-text.ts";
import {
  isSyscallError,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  openat,
  openat2,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  type Path,
} from "#linux/syscalls.ts";

/*
 * Files below a handle of a container's root. Paths are walked by the kernel with the handle for their root, so that no link of the
 * container's, however it is changed meanwhile, leads out of it (CVE-2018-15664). Names are text as tar-text.ts decodes it.
 */

const RESOLVE = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;

/** A handle of the directory at `path`, links followed inside the root; undefined when there is none. */
export function openDirectory(root: number, path: string): number | undefined {
  return found(() => openat2(root, systemName(`./${path}`), { flags: O_PATH | O_DIRECTORY, resolve: RESOLVE }));
}

/** A handle of whatever is at `path`; a link at its end is followed only when `follow`. */
export function openPath(root: number, path: string, follow: boolean): number | undefined {
  const flags = O_PATH | (follow ? 0 : O_NOFOLLOW);
  return found(() => openat2(root, systemName(`./${path}`), { flags, resolve: RESOLVE }));
}

/** A handle of the directory `name` in a directory; undefined when it is something else, or a link. */
export function openChild(directory: number, name: string): number | undefined {
  return found(() => openat(directory, systemName(name), O_PATH | O_DIRECTORY | O_NOFOLLOW));
}

function found(open: () => number): number | undefined {
  try {
    return open();
  } catch (error) {
    if (isSyscallError(error, "ENOENT", "ENOTDIR", "ELOOP", "ENXIO")) return undefined;
    throw error;
  }
}

/** Uses a handle, and closes it whatever happens. */
export function withHandle<T>(handle: number, use: (handle: number) => T): T {
  try {
    return use(handle);
  } finally {
    closeSync(handle);
  }
}

/** The path of `name` in the directory behind `handle`, for calls that know no handles. Its end is not followed by lstat and the like. */
export function placeOf(handle: number, name: string): Path {
  const folder = `/proc/self/fd/${handle}/`;
  return name.isWellFormed() ? folder + name : Buffer.concat([Buffer.from(folder), encodeName(name), Buffer.alloc(1)]);
}

/** What `name` in a directory is, a link not followed; undefined when there is nothing. */
export function lstatIn(handle: number, name: string): BigIntStats | undefined {
  const place = placeOf(handle, name);
  const path = typeof place === "string" ? place : place.subarray(0, -1);
  return lstatSync(path, { bigint: true, throwIfNoEntry: false });
}
