import { lstatSync, readlinkSync, type BigIntStats } from "node:fs";
import { posix } from "node:path";
import { encodeName, systemName } from "#formats/tar-text.ts";
import {
  close,
  isSyscallError,
  mkdirat,
  O_DIRECTORY,
  O_PATH,
  openat2,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  type Path,
} from "#linux/syscalls.ts";

/** A directory handle whose paths never lead out of it: whatever links lie there, the kernel resolves them inside. */
const RESOLVE = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;

/** Opens a directory below a root, links followed inside; undefined when there is none. The caller closes it. */
export function openDirectory(root: number, path: string): number | undefined {
  try {
    return openat2(root, systemName(path === "" ? "." : path), { flags: O_PATH | O_DIRECTORY, resolve: RESOLVE });
  } catch (error) {
    if (isSyscallError(error, "ENOENT", "ENOTDIR", "ELOOP")) return undefined;
    throw error;
  }
}

/** As the kernel does (path_resolution(7)). */
const MOST_LINKS = 40;

/**
 * The same, made with those above it (0755) when missing; a link that leads to nothing gets what it leads to. Throws the kernel's error when
 * something else is in the way.
 */
export function makeDirectory(root: number, path: string, links = 0): number {
  const found = openDirectory(root, path);
  if (found !== undefined) return found;
  const [parent, name] = splitPath(path);
  const above = makeDirectory(root, parent, links);
  try {
    if (links < MOST_LINKS && lstatIn(above, name)?.isSymbolicLink()) {
      return makeDirectory(root, linkedPath(parent, readlinkIn(above, name)), links + 1);
    }
    mkdirat(above, systemName(name), 0o755);
  } finally {
    close(above);
  }
  return openat2(root, systemName(path), { flags: O_PATH | O_DIRECTORY, resolve: RESOLVE });
}

/** Where a link in a directory leads, below the root; `..` never climbs out of it. */
function linkedPath(directory: string, target: string): string {
  const path = target.startsWith("/") ? target : `/${directory}/${target}`;
  return posix.normalize(path).replace(/^\/+|\/+$/g, "");
}

/** `a/b/c` → `a/b` and `c`. */
export function splitPath(path: string): [directory: string, name: string] {
  const at = path.lastIndexOf("/");
  return at < 0 ? ["", path] : [path.slice(0, at), path.slice(at + 1)];
}

/** The path of `name` in a directory handle, for calls that know no handles; they must not follow its last component. */
export function pathIn(handle: number, name: string): Path {
  const folder = `/proc/self/fd/${handle}/`;
  return name.isWellFormed() ? folder + name : Buffer.concat([Buffer.from(folder), encodeName(name), Buffer.alloc(1)]);
}

/** For node:fs, which takes buffers without the closing zero. */
function nodePath(handle: number, name: string): string | Buffer {
  const path = pathIn(handle, name);
  return typeof path === "string" ? path : path.subarray(0, -1);
}

export function lstatIn(handle: number, name: string): BigIntStats | undefined {
  return lstatSync(nodePath(handle, name), { bigint: true, throwIfNoEntry: false });
}

export function readlinkIn(handle: number, name: string): string {
  return readlinkSync(nodePath(handle, name));
}

/** Runs with a handle and closes it, whatever happens. */
export async function withHandle<T>(handle: number, run: (handle: number) => T | Promise<T>): Promise<T> {
  try {
    return await run(handle);
  } finally {
    close(handle);
  }
}
