import { chmodSync, chownSync, readdirSync } from "node:fs";
import type { ImageStore } from "#images/image-store.ts";
import { directoryFiles, snapshotFiles } from "../container-files.ts";
import type { ContainerRecord } from "../lifecycle/record.ts";
import { layeredRoot } from "./layered-root.ts";

/**
 * Fills empty volumes with what the image has at their place, owner and mode of the directory included (moby, container: populateVolume).
 */
export async function copyUpVolumes(
  { images }: { readonly images: Pick<ImageStore, "snapshot"> },
  { id, config, mounts }: ContainerRecord,
): Promise<void> {
  const snapshot = images.snapshot(id);
  if (!snapshot) return;
  const image = layeredRoot(snapshot.mount);
  for (const [index, mount] of config.mounts.entries()) {
    const point = mounts[index];
    if (mount.kind !== "volume" || !mount.copyUp || mount.subpath || !point) continue;
    const found = image.find(point.destination)?.stats;
    if (!found?.isDirectory() || readdirSync(point.source).length > 0) continue;
    await copyDirectory(snapshotFiles(snapshot), point.destination, point.source);
    chownSync(point.source, found.uid, found.gid);
    chmodSync(point.source, found.mode & 0o7777);
  }
}

async function copyDirectory(root: ReturnType<typeof snapshotFiles>, path: string, target: string): Promise<void> {
  try {
    const volume = directoryFiles(target);
    try {
      await volume.write("/", root.read(`${path}/`, { as: "." }), { keepKinds: false });
    } finally {
      volume.close();
    }
  } finally {
    root.close();
  }
}
