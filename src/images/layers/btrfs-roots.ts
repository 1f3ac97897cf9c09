import { closeSync, existsSync, renameSync, rmSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { hexId } from "#base/ids.ts";
import { createSubvolume, snapshotSubvolume } from "#linux/btrfs.ts";
import { openFolder } from "../worker/root-tree.ts";
import type { WorkerPool } from "../worker/pool.ts";
import { NO_IMAGE } from "./layer-files.ts";
import type { Places } from "./places.ts";

/** What a container's root is snapshotted from on btrfs: an image's files in a subvolume, made when first needed. */
export interface BtrfsRoots {
  /** Makes `<folder>/diff` a snapshot of the root of these layers (from top to bottom); `name` is their chain's. */
  snapshot(name: string | undefined, layers: readonly string[], folder: string): Promise<void>;
}

export function btrfsRoots(places: Places, pool: WorkerPool): BtrfsRoots {
  const making = new Map<string, Promise<string>>();
  const make = async (name: string, layers: readonly string[]): Promise<string> => {
    const folder = join(places.roots, name);
    if (existsSync(join(folder, "root"))) return folder;
    const staging = join(places.staging, hexId(undefined, 16));
    await mkdir(staging, { mode: 0o700 });
    withFolder(staging, (handle) => createSubvolume(handle, "root"));
    await pool.run("copy", { layers, target: join(staging, "root"), clone: true });
    rmSync(folder, { recursive: true, force: true });
    renameSync(staging, folder);
    return folder;
  };
  return {
    async snapshot(name = NO_IMAGE, layers, target) {
      const known = making.get(name) ?? make(name, layers);
      making.set(name, known);
      try {
        const source = await known;
        withFolder(join(source, "root"), (root) =>
          withFolder(target, (handle) => snapshotSubvolume(root, handle, "diff")),
        );
      } finally {
        making.delete(name);
      }
    },
  };
}

function withFolder<T>(path: string, use: (handle: number) => T): T {
  const handle = openFolder(path);
  try {
    return use(handle);
  } finally {
    closeSync(handle);
  }
}
