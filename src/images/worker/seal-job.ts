import { closeSync, openSync, writeSync } from "node:fs";
import { digester } from "#formats/digest.ts";
import { systemName } from "#formats/tar-text.ts";
import { unlinkat, utimensat } from "#linux/syscalls.ts";
import type { JobContext, RequestOf, ResultOf } from "./jobs.ts";
import { lstatBig, openLayers, withFolder, type Child, type Layers } from "./merged-tree.ts";
import { archiveWriter, changedFiles } from "./pack-job.ts";

/**
 * A writable layer that nobody writes to any more becomes a layer of an image as it is: its archive is written to a file, and what an
 * archive cannot hold (sockets) is removed from it, so that both say the same.
 */
export async function sealJob(
  { upper, lowers, file }: RequestOf<"seal">,
  context: JobContext,
): Promise<ResultOf<"seal">> {
  const layers = openLayers([upper, ...lowers]);
  const hash = digester();
  const fd = openSync(file, "wx", 0o600);
  let bytes = 0;
  const archive = archiveWriter({
    check: () => context.check(),
    output(chunk) {
      hash.update(chunk);
      bytes += chunk.length;
      for (let at = 0; at < chunk.length;) at += writeSync(fd, chunk, at);
      return undefined;
    },
  });
  let size = 0;
  let entries = 0;
  try {
    for (const one of changedFiles(layers, (path, child) => removeSocket(layers, path, child))) {
      context.check();
      await archive.add(one);
      size += one.entry.size;
      entries++;
    }
    await archive.end();
    inheritTime(layers);
  } finally {
    closeSync(fd);
    layers.close();
  }
  return { unpacked: { size, entries, implicit: [], opaqueRoot: false }, diffId: hash.digest(), bytes };
}

function removeSocket(layers: Layers, path: string, { stats }: Child): void {
  if (!stats.isSocket()) return;
  const slash = path.lastIndexOf("/");
  withFolder(layers, path.slice(0, Math.max(0, slash)), 0, (handle) =>
    unlinkat(handle, systemName(path.slice(slash + 1))),
  );
}

/** The root has no entry, unless its owner or mode changed: its time is that of the layer below. */
function inheritTime(layers: Layers): void {
  const below = withFolder(layers, "", 1, (handle) => lstatBig(handle, "."));
  if (!below) return;
  const time = { accessedNanos: below.mtimeNs, modifiedNanos: below.mtimeNs };
  withFolder(layers, "", 0, (handle) => utimensat(handle, systemName("."), time));
}
