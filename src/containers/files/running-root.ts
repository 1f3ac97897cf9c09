import { closeSync } from "node:fs";
import {
  isSyscallError,
  O_DIRECTORY,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  open,
  openat2,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
} from "#linux/syscalls.ts";
import { GantryError } from "#base/errors.ts";
import { readText } from "./layered-root.ts";

/** The root of a running process, as a handle: whatever links the container makes, paths stay inside. */
export interface RunningRoot {
  readonly handle: number;
  /** The text of a regular file; undefined when there is none. Throws `invalid` when it is longer than `maxBytes`. */
  readText(path: string, maxBytes: number): string | undefined;
  close(): void;
}

/** Opens the root of a process. Throws `conflict` when it has ended. */
export function runningRoot(pid: number): RunningRoot {
  const handle = openRoot(pid);
  return {
    handle,
    readText(path, maxBytes) {
      const fd = openInside(handle, path);
      if (fd === undefined) return undefined;
      try {
        return readText(fd, path, maxBytes);
      } finally {
        closeSync(fd);
      }
    },
    close: () => closeSync(handle),
  };
}

function openRoot(pid: number): number {
  try {
    return open(`/proc/${pid}/root`, O_PATH | O_DIRECTORY);
  } catch (error) {
    if (isSyscallError(error, "ENOENT", "ESRCH")) throw new GantryError("conflict", "the container has ended", { pid });
    throw error;
  }
}

/** O_NONBLOCK: a pipe in a file's place must not hold us up. */
function openInside(root: number, path: string): number | undefined {
  try {
    return openat2(root, path, {
      flags: O_RDONLY | O_NONBLOCK,
      resolve: RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    });
  } catch (error) {
    if (isSyscallError(error, "ENOENT", "ENOTDIR", "ELOOP", "ENXIO")) return undefined;
    throw error;
  }
}
