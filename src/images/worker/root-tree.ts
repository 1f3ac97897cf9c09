import { closeSync, lstatSync, type Stats } from "node:fs";
import { GantryError } from "#base/errors.ts";
import { encodeName, systemName } from "#formats/tar-text.ts";
import {
  fchmodat,
  fchownat,
  mkdirat,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  openat,
  openat2,
  isSyscallError,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_XDEV,
  type Path,
} from "#linux/syscalls.ts";

/**
 * A directory as the root of everything below it: whatever symbolic links an image puts there, the kernel resolves them
 * inside (openat2 with RESOLVE_IN_ROOT), and the last component of a path is never followed.
 */
export interface RootTree {
  readonly root: number;
  /** Handle of a directory, which is made with those above it when missing. Borrowed: valid for the next few calls, until `forget`. */
  directory(parts: readonly string[]): number;
  /** The same, undefined when there is none. */
  find(parts: readonly string[]): number | undefined;
  /** Paths that were made because an entry lay below them, not for an entry of their own. */
  readonly implicit: Set<string>;
  /** To be called when a directory or a link has been removed: handles that went through it are let go. */
  forget(): void;
  close(): void;
}

const CACHED_HANDLES = 64;
const RESOLVE = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
const DIRECTORY = { flags: O_PATH | O_DIRECTORY, resolve: RESOLVE } as const;

/** Takes the handle over: `close` closes it. */
export function rootTree(root: number): RootTree {
  const handles = new Map<string, number>();
  const implicit = new Set<string>();
  const keep = (key: string, handle: number): number => {
    handles.set(key, handle);
    for (const [oldest, old] of handles) {
      if (handles.size <= CACHED_HANDLES) break;
      handles.delete(oldest);
      closeSync(old);
    }
    return handle;
  };
  const find = (parts: readonly string[]): number | undefined => {
    if (parts.length === 0) return root;
    const key = parts.join("/");
    const known = handles.get(key);
    if (known !== undefined) {
      // The least recently used handle is the first to go.
      handles.delete(key);
      handles.set(key, known);
      return known;
    }
    try {
      return keep(key, openat2(root, systemName(key), DIRECTORY));
    } catch (error) {
      if (isSyscallError(error, "ENOENT")) return undefined;
      throw placed(error, key);
    }
  };
  const make = (parts: readonly string[]): number => {
    const parent = directory(parts.slice(0, -1));
    const key = parts.join("/");
    const name = systemName(parts.at(-1) ?? "");
    try {
      mkdirat(parent, name, 0o755);
      // A parent with the setgid bit has handed down that bit and its group.
      fchownat(parent, name, 0, 0);
      fchmodat(parent, name, 0o755);
      implicit.add(key);
      return keep(key, openat2(root, systemName(key), DIRECTORY));
    } catch (error) {
      throw placed(error, key);
    }
  };
  const directory = (parts: readonly string[]): number => find(parts) ?? make(parts);
  const forget = (): void => {
    for (const handle of handles.values()) closeSync(handle);
    handles.clear();
  };
  return {
    root,
    directory,
    find,
    implicit,
    forget,
    close() {
      forget();
      closeSync(root);
    },
  };
}

/** What is wrong with a path inside the tree, said with that path alone. */
export function placed(error: unknown, path: string): unknown {
  if (isSyscallError(error, "ENOSPC", "EDQUOT"))
    return new GantryError("unavailable", "no space left on device", {}, error);
  if (isSyscallError(error, "ENOTDIR", "ELOOP", "EEXIST", "ENAMETOOLONG", "EISDIR", "EXDEV", "EINVAL", "ENOENT")) {
    return new GantryError("invalid", `${JSON.stringify(`/${path}`)}: ${error.message}`, {}, error);
  }
  return error;
}

/** The path of `name` in the directory behind `handle`, for calls that know no handles; its last component is not followed by lstat and the l*xattr calls. */
export function handlePath(handle: number, name: string): Path {
  const folder = `/proc/self/fd/${handle}/`;
  return name.isWellFormed() ? folder + name : Buffer.concat([Buffer.from(folder), encodeName(name), Buffer.alloc(1)]);
}

/** lstat of `name` in a directory; undefined when there is no such file. */
export function lstatIn(handle: number, name: string): Stats | undefined {
  const path = handlePath(handle, name);
  return lstatSync(typeof path === "string" ? path : path.subarray(0, -1), { throwIfNoEntry: false });
}

/** Opens a directory by its path on the host, which is not followed at its end. */
export function openFolder(path: string): number {
  const AT_FDCWD = -100;
  return openat(AT_FDCWD, path, O_DIRECTORY | O_NOFOLLOW);
}

/** Opens a directory in a directory, not following it; undefined when it is none (any more). */
export function openSubfolder(handle: number, name: string): number | undefined {
  try {
    return openat(handle, systemName(name), O_DIRECTORY | O_NOFOLLOW);
  } catch (error) {
    if (isSyscallError(error, "ENOENT", "ENOTDIR", "ELOOP")) return undefined;
    throw error;
  }
}

/** True for the character device 0:0, by which overlayfs marks what is deleted. */
export function isWhiteout(stats: Stats): boolean {
  return stats.isCharacterDevice() && stats.rdev === 0;
}
