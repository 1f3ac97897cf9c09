import { closeSync, constants, lstatSync, openSync, readlinkSync, readSync, fstatSync, type Stats } from "node:fs";
import { join } from "node:path";
import { GantryError } from "#base/errors.ts";
import { lgetxattr, isSyscallError } from "#linux/syscalls.ts";
import type { RootMount } from "#images/image-store.ts";

/**
 * Looks into a container's root file system without mounting it: walks the layers of an overlay as the kernel would (whiteouts, opaque
 * directories, links that stay inside the root). For containers that are down, when a file or two of theirs are wanted.
 */
export interface LayeredRoot {
  /** The top-most thing at `path`, links followed; undefined when there is none. */
  find(path: string): LayeredFile | undefined;
  /** The text of a regular file; undefined when there is none. Throws `invalid` when it is longer than `maxBytes`. */
  readText(path: string, maxBytes: number): string | undefined;
}

export interface LayeredFile {
  readonly stats: Stats;
  /** Where it lies on the host: one path for a file; for a directory, one for each layer that it is merged from. */
  readonly paths: readonly string[];
}

/** As the kernel does (path_resolution(7)). */
const MOST_LINKS = 40;

export function layeredRoot(mount: RootMount): LayeredRoot {
  const layers = mount.kind === "overlay" ? [mount.upper, ...mount.lower] : [mount.source];
  return {
    find: (path) => find(layers, path),
    readText(path, maxBytes) {
      const file = find(layers, path);
      const place = file?.stats.isFile() ? file.paths[0] : undefined;
      return place === undefined ? undefined : readBounded(place, path, maxBytes);
    },
  };
}

function find(layers: readonly string[], path: string): LayeredFile | undefined {
  const ahead = partsOf(path).toReversed();
  const above: LayeredFile[] = [];
  let here: LayeredFile | undefined = rootOf(layers);
  let links = 0;
  for (let name = ahead.pop(); name !== undefined && here; name = ahead.pop()) {
    if (name === "..") {
      here = above.pop() ?? rootOf(layers);
      continue;
    }
    if (!here.stats.isDirectory()) return undefined;
    const next = child(here, name);
    const place = next?.paths[0];
    if (next && place !== undefined && next.stats.isSymbolicLink()) {
      if (++links > MOST_LINKS) return undefined;
      const target = readlinkSync(place);
      if (target.startsWith("/")) {
        above.length = 0;
        here = rootOf(layers);
      }
      ahead.push(...partsOf(target).toReversed());
      continue;
    }
    above.push(here);
    here = next;
  }
  return here;
}

const partsOf = (path: string): string[] => path.split("/").filter((part) => part !== "" && part !== ".");

function rootOf(layers: readonly string[]): LayeredFile | undefined {
  const stats = layers.map((layer) => lstatSync(layer, { throwIfNoEntry: false })).find((found) => found !== undefined);
  return stats && { stats, paths: layers };
}

/** One name in a merged directory. */
function child(directory: LayeredFile, name: string): LayeredFile | undefined {
  let top: Stats | undefined;
  const paths: string[] = [];
  for (const [at, layer] of directory.paths.entries()) {
    const place = join(layer, name);
    const stats = lstatSync(place, { throwIfNoEntry: false });
    if (!stats) continue;
    if (isWhiteout(stats) || (top && !stats.isDirectory())) break;
    top ??= stats;
    paths.push(place);
    const isLast = at === directory.paths.length - 1;
    if (isLast || !stats.isDirectory() || isOpaque(place)) break;
  }
  return top && { stats: top, paths };
}

/** An overlay marks a removed name by a character device 0:0. */
export function isWhiteout(stats: Stats): boolean {
  return stats.isCharacterDevice() && stats.rdev === 0;
}

/** A directory that hides those below it. */
export function isOpaque(place: string): boolean {
  try {
    return lgetxattr(place, "trusted.overlay.opaque").toString() === "y";
  } catch (error) {
    if (isSyscallError(error, "ENODATA", "EOPNOTSUPP")) return false;
    throw error;
  }
}

function readBounded(place: string, path: string, maxBytes: number): string {
  const fd = openSync(place, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    return readText(fd, path, maxBytes);
  } finally {
    closeSync(fd);
  }
}

/** Reads a whole open file as text. Throws `invalid` when it is longer than `maxBytes`. */
function readText(fd: number, path: string, maxBytes: number): string {
  const { size } = fstatSync(fd);
  if (size > maxBytes)
    throw new GantryError("invalid", `${path} in the container is larger than ${maxBytes} bytes`, { path, size });
  const bytes = Buffer.alloc(size);
  let length = 0;
  while (length < size) {
    const count = readSync(fd, bytes, length, size - length, length);
    if (count === 0) break;
    length += count;
  }
  return bytes.toString("utf8", 0, length);
}
