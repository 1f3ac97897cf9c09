import { closeSync, mkdtempSync, rmSync } from "node:fs";
import type { JobContext, RequestOf, ResultOf } from "./jobs.ts";
import { lstatBig, openLayers, rootFolder, walk, withFolder } from "./merged-tree.ts";
import { entryReader, fileBytes, type TreeEntry } from "./tree-entries.ts";
import { layerUnpacker, type LayerUnpacker } from "./unpacker.ts";

/** Copies merged layers into an empty directory: the vfs driver's way to a root file system. */
export function copyJob(
  { layers: paths, target, clone = false }: RequestOf<"copy">,
  context: JobContext,
): ResultOf<"copy"> {
  const layers = openLayers(paths);
  const trash = mkdtempSync(`${target}.trash-`);
  const unpacker = layerUnpacker({ diff: target, trash });
  try {
    copyRoot(layers, unpacker);
    const reader = entryReader(layers);
    for (const { path, child } of walk(layers, rootFolder(layers))) {
      context.check();
      const found = reader.read(path, child);
      if (!found) continue;
      copyFile(found, unpacker, clone);
    }
    unpacker.finish();
  } finally {
    unpacker.close();
    layers.close();
    rmSync(trash, { recursive: true, force: true });
  }
  return {};
}

function copyRoot(layers: ReturnType<typeof openLayers>, unpacker: LayerUnpacker): void {
  const stats = withFolder(layers, "", 0, (handle) => lstatBig(handle, "."));
  if (!stats) return;
  unpacker.entry({
    path: "./",
    type: "directory",
    mode: Number(stats.mode & 0o7777n),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    size: 0,
    modifiedNanos: stats.mtimeNs,
    linkPath: "",
    device: { major: 0, minor: 0 },
    xattrs: new Map(),
  });
  unpacker.end();
}

function copyFile({ entry, open }: TreeEntry, unpacker: LayerUnpacker, clone: boolean): void {
  const fd = entry.size > 0 ? open() : undefined;
  if (entry.size > 0 && fd === undefined) return;
  unpacker.entry(entry);
  if (clone && fd !== undefined && unpacker.clone(fd)) {
    closeSync(fd);
    return unpacker.end();
  }
  let at = 0;
  for (const chunk of fd === undefined ? [] : fileBytes(fd, entry.size)) {
    unpacker.data(chunk, at);
    at += chunk.length;
  }
  unpacker.end();
}
