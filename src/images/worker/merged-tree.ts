import { closeSync, lstatSync, type BigIntStats } from "node:fs";
import { GantryError } from "#base/errors.ts";
import { systemName } from "#formats/tar-text.ts";
import {
  isSyscallError,
  lgetxattr,
  O_DIRECTORY,
  O_NOFOLLOW,
  openat2,
  RESOLVE_BENEATH,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
} from "#linux/syscalls.ts";
import { names } from "./remove-tree.ts";
import { handlePath, openFolder } from "./root-tree.ts";

/**
 * Stacked directories as overlayfs shows them: whiteouts, opaque directories, directories merged by name (kernel overlayfs.rst).
 * Nothing is followed and a directory is opened anew by its path each time, so a container that is running may change its
 * own meanwhile without leading the reader astray.
 */
export interface Layers {
  /** Handles of the layers' directories, from top to bottom. */
  readonly roots: readonly number[];
  close(): void;
}

/** A directory of the merged tree: where it lies, and which layers it is made of, from top to bottom. */
export interface Folder {
  /** Relative; "" is the root. */
  readonly path: string;
  readonly layers: readonly number[];
}

export interface Child {
  readonly stats: BigIntStats;
  /** The top-most layer that has it. */
  readonly layer: number;
  /** For a directory: all layers that it is made of. */
  readonly layers: readonly number[];
}

/** Names in one directory, at most: they are held to be merged and sorted. */
const MAX_NAMES = 2_000_000;
const BENEATH = {
  flags: O_DIRECTORY | O_NOFOLLOW,
  resolve: RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
} as const;

export function openLayers(paths: readonly string[]): Layers {
  const roots = paths.map(openFolder);
  return { roots, close: () => roots.forEach((root) => closeSync(root)) };
}

export function rootFolder(layers: Layers, from = 0): Folder {
  return { path: "", layers: layers.roots.map((_, at) => at).slice(from) };
}

/** Calls `use` with a handle of the directory in one layer; undefined when it is not there (any more). */
export function withFolder<T>(layers: Layers, path: string, layer: number, use: (handle: number) => T): T | undefined {
  const root = layers.roots[layer];
  if (root === undefined) return undefined;
  let handle: number;
  try {
    handle = openat2(root, path === "" ? "." : systemName(path), BENEATH);
  } catch (error) {
    if (isSyscallError(error, "ENOENT", "ENOTDIR", "ELOOP")) return undefined;
    throw error;
  }
  try {
    return use(handle);
  } finally {
    closeSync(handle);
  }
}

/** What one layer has in a directory, whiteouts included. */
export function layerChildren(layers: Layers, path: string, layer: number): Map<string, Child> {
  const children = new Map<string, Child>();
  withFolder(layers, path, layer, (handle) => {
    for (const name of names(handle)) {
      const stats = lstatBig(handle, name);
      if (!stats) continue;
      if (children.size >= MAX_NAMES) throw new GantryError("too-large", `/${path} has more than ${MAX_NAMES} files`);
      children.set(name, { stats, layer, layers: stats.isDirectory() ? [layer] : [] });
    }
  });
  return children;
}

/** What a directory shows. */
export function mergedChildren(layers: Layers, folder: Folder): Map<string, Child> {
  const shown = new Map<string, Child>();
  const decided = new Set<string>();
  for (const layer of folder.layers) {
    for (const [name, child] of layerChildren(layers, folder.path, layer)) {
      if (decided.has(name)) continue;
      const above = shown.get(name);
      if (!child.stats.isDirectory()) {
        // A file below a directory ends the stack of directories; a whiteout hides what is below.
        decided.add(name);
        if (!above && !isWhiteoutBig(child.stats)) shown.set(name, child);
        continue;
      }
      shown.set(name, above ? { ...above, layers: [...above.layers, layer] } : child);
      if (isOpaque(layers, join(folder.path, name), layer)) decided.add(name);
    }
  }
  return shown;
}

/** One name of it, without reading the rest. */
export function mergedChild(layers: Layers, folder: Folder, name: string): Child | undefined {
  let shown: Child | undefined;
  for (const layer of folder.layers) {
    const stats = withFolder(layers, folder.path, layer, (handle) => lstatBig(handle, name));
    if (!stats) continue;
    if (!stats.isDirectory()) return shown ?? (isWhiteoutBig(stats) ? undefined : { stats, layer, layers: [] });
    shown = shown ? { ...shown, layers: [...shown.layers, layer] } : { stats, layer, layers: [layer] };
    if (isOpaque(layers, join(folder.path, name), layer)) break;
  }
  return shown;
}

export function join(path: string, name: string): string {
  return path === "" ? name : `${path}/${name}`;
}

/** True when a layer's directory hides those below it. */
export function isOpaque(layers: Layers, path: string, layer: number): boolean {
  const value = withFolder(layers, path, layer, (handle) => {
    try {
      return lgetxattr(handlePath(handle, "."), "trusted.overlay.opaque").toString("latin1");
    } catch (error) {
      if (isSyscallError(error, "ENODATA", "EOPNOTSUPP")) return "";
      throw error;
    }
  });
  return value === "y";
}

export function lstatBig(handle: number, name: string): BigIntStats | undefined {
  const path = handlePath(handle, name);
  return lstatSync(typeof path === "string" ? path : path.subarray(0, -1), { bigint: true, throwIfNoEntry: false });
}

export function isWhiteoutBig(stats: BigIntStats): boolean {
  return stats.isCharacterDevice() && stats.rdev === 0n;
}

/** In one order, so that the same tree gives the same archive. */
export function sorted(children: ReadonlyMap<string, Child>): [string, Child][] {
  return [...children].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Every file below a directory, each directory before what is in it. The stack holds names only, no handles. */
export function* walk(layers: Layers, start: Folder): Generator<{ readonly path: string; readonly child: Child }> {
  const waiting: { folder: Folder; children: [string, Child][] }[] = [
    { folder: start, children: sorted(mergedChildren(layers, start)).reverse() },
  ];
  for (let top = waiting.at(-1); top; top = waiting.at(-1)) {
    const next = top.children.pop();
    if (!next) {
      waiting.pop();
      continue;
    }
    const [name, child] = next;
    const path = join(top.folder.path, name);
    yield { path, child };
    if (!child.stats.isDirectory()) continue;
    const folder = { path, layers: child.layers };
    waiting.push({ folder, children: sorted(mergedChildren(layers, folder)).reverse() });
  }
}
