import { lstatSync, rmdirSync } from "node:fs";
import { GantryError } from "#base/errors.ts";
import type { JobContext, RequestOf, ResultOf } from "./jobs.ts";
import { lstatBig, openLayers, rootFolder, walk, withFolder } from "./merged-tree.ts";
import { emptyFolder } from "./remove-tree.ts";

export function removeJob({ folder, itself }: RequestOf<"remove">): ResultOf<"remove"> {
  if (!lstatSync(folder, { throwIfNoEntry: false })) return {};
  emptyFolder(folder);
  if (itself) rmdirSync(folder);
  return {};
}

const BLOCK = 512n;
/** Files with several names that are told apart at a time; beyond it a file may count twice. */
const MAX_INODES = 1_000_000;

export function measureJob({ folder }: RequestOf<"measure">, context: JobContext): ResultOf<"measure"> {
  const layers = openLayers([folder]);
  const seen = new Set<bigint>();
  let apparent = 0n;
  let used = 0n;
  try {
    const root = withFolder(layers, "", 0, (handle) => lstatBig(handle, "."));
    used += (root?.blocks ?? 0n) * BLOCK;
    for (const { child } of walk(layers, rootFolder(layers))) {
      context.check();
      const { stats } = child;
      if (stats.nlink > 1n && !stats.isDirectory()) {
        if (seen.has(stats.ino)) continue;
        if (seen.size < MAX_INODES) seen.add(stats.ino);
      }
      if (stats.isFile()) apparent += stats.size;
      used += stats.blocks * BLOCK;
    }
  } finally {
    layers.close();
  }
  if (apparent > BigInt(Number.MAX_SAFE_INTEGER))
    throw new GantryError("too-large", "files are larger than 2^53 bytes");
  return { apparent: Number(apparent), used: Number(used) };
}
