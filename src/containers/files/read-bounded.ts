import { fstatSync, readSync } from "node:fs";
import { GantryError } from "#base/errors.ts";
import { systemName } from "#formats/tar-text.ts";
import {
  close,
  isSyscallError,
  O_NONBLOCK,
  O_RDONLY,
  openat2,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
} from "#linux/syscalls.ts";

/** The text of a regular file below a root, links followed inside; undefined when there is none. Throws `invalid` when it is longer. */
export function readBounded(root: number, path: string, maxBytes: number): string | undefined {
  const handle = openFile(root, path);
  if (handle === undefined) return undefined;
  try {
    const stats = fstatSync(handle);
    if (!stats.isFile()) return undefined;
    if (stats.size > maxBytes) throw new GantryError("invalid", `/${path} is longer than ${maxBytes} bytes`, { path });
    const bytes = Buffer.alloc(stats.size);
    const read = readSync(handle, bytes, 0, bytes.length, 0);
    return bytes.toString("utf8", 0, read);
  } finally {
    close(handle);
  }
}

/** Opens a file below a root for reading, links followed inside; undefined when there is none. The caller closes it. */
export function openFile(root: number, path: string): number | undefined {
  try {
    return openat2(root, systemName(path), {
      flags: O_RDONLY | O_NONBLOCK,
      resolve: RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    });
  } catch (error) {
    if (isSyscallError(error, "ENOENT", "ENOTDIR", "ELOOP", "ENXIO")) return undefined;
    throw error;
  }
}
