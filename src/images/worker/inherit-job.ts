import { systemName } from "#formats/tar-text.ts";
import { fchmodat, fchownat, lsetxattr, utimensat } from "#linux/syscalls.ts";
import type { RequestOf, ResultOf } from "./jobs.ts";
import {
  isOpaque,
  join,
  lstatBig,
  mergedChild,
  openLayers,
  rootFolder,
  withFolder,
  type Folder,
  type Layers,
} from "./merged-tree.ts";
import { handlePath } from "./root-tree.ts";
import { readAttributes } from "./tree-entries.ts";

/**
 * An archive may hold `a/b` without `a`: the directory `a` then is as the layers below have it (OCI image-spec layer.md,
 * "Applying Changesets"), which the new layer's own `a` must not override. Where they have none, it stays root's, 0755.
 */
export function inheritJob({ diff, lowers, implicit }: RequestOf<"inherit">): ResultOf<"inherit"> {
  if (lowers.length === 0) return {};
  const layers = openLayers([diff, ...lowers]);
  try {
    // From the deepest up, so that a directory's time is not changed by setting one below it.
    for (const path of implicit.toSorted((a, b) => b.length - a.length)) inherit(layers, path);
  } finally {
    layers.close();
  }
  return {};
}

function inherit(layers: Layers, path: string): void {
  const folder = find(layers, path);
  const from = folder?.layers[0];
  if (from === undefined) return;
  withFolder(layers, path, from, (source) => {
    const stats = lstatBig(source, ".");
    const attributes = readAttributes(source, ".");
    if (!stats) return;
    withFolder(layers, path, 0, (handle) => {
      fchownat(handle, ".", Number(stats.uid), Number(stats.gid));
      fchmodat(handle, ".", Number(stats.mode & 0o7777n));
      for (const [name, value] of attributes) lsetxattr(handlePath(handle, "."), name, value);
      utimensat(handle, systemName("."), { accessedNanos: stats.mtimeNs, modifiedNanos: stats.mtimeNs });
    });
  });
}

/** The directory as the layers below show it; undefined when they have none, or it is hidden from the new layer. */
function find(layers: Layers, path: string): Folder | undefined {
  let folder = rootFolder(layers, 1);
  for (const name of path === "" ? [] : path.split("/")) {
    const child = mergedChild(layers, folder, name);
    if (!child?.stats.isDirectory()) return undefined;
    folder = { path: join(folder.path, name), layers: child.layers };
    if (isOpaque(layers, folder.path, 0)) return undefined;
  }
  return folder;
}
