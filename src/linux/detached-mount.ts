import { close, openTree, OPEN_TREE_CLONE, AT_FDCWD } from "./syscalls.ts";
import { native } from "./syscalls/native.ts";

/**
 * File systems that are mounted nowhere: the descriptor is their root directory for the *at() calls, no other process sees them, and
 * they go when it is closed (fsopen(2), fsmount(2); Linux 5.2).
 */

const NR_fsopen = 430;
const NR_fsconfig = 431;
const NR_fsmount = 432;

const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_CMD_CREATE = 6;
const CLOEXEC = 1;

const nativeFsopen = native<[number, string, number]>(
  "fsopen",
  "long syscall(long number, const char *type, uint flags)",
  (_number, type) => type,
);
const nativeFsconfig = native<[number, number, number, string | null, string | null, number]>(
  "fsconfig",
  "long syscall(long number, int fd, uint command, const char *key, const char *value, int auxiliary)",
  (_number, _fd, _command, key, value) => `${key ?? "create"}${value === null ? "" : `=${value}`}`,
);
const nativeFsmount = native<[number, number, number, number]>(
  "fsmount",
  "long syscall(long number, int fd, uint flags, uint attributes)",
);

export interface OverlayLayers {
  /** From top to bottom. */
  readonly lower: readonly string[];
  readonly upper: string;
  readonly work: string;
  /** `key=value` or flags, as in a mount's data. */
  readonly options?: readonly string[];
}

/** An overlay of these directories; the caller closes the descriptor. */
export function detachedOverlay({ lower, upper, work, options = [] }: OverlayLayers): number {
  const context = nativeFsopen(NR_fsopen, "overlay", CLOEXEC);
  try {
    const set = (key: string, value: string | null): void => {
      nativeFsconfig(NR_fsconfig, context, value === null ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING, key, value, 0);
    };
    // One at a time (Linux 6.8): a value holds 255 bytes at most.
    for (const directory of lower) set("lowerdir+", directory);
    set("upperdir", upper);
    set("workdir", work);
    for (const option of options) {
      const at = option.indexOf("=");
      set(at < 0 ? option : option.slice(0, at), at < 0 ? null : option.slice(at + 1));
    }
    nativeFsconfig(NR_fsconfig, context, FSCONFIG_CMD_CREATE, null, null, 0);
    return nativeFsmount(NR_fsmount, context, CLOEXEC, 0);
  } finally {
    close(context);
  }
}

/** A directory of the host as a file system of its own, without the mounts below it; the caller closes the descriptor. */
export function detachedDirectory(path: string): number {
  return openTree(AT_FDCWD, path, OPEN_TREE_CLONE);
}
