import { chmodSync, chownSync, readdirSync } from "node:fs";
import type { ImageStore } from "#images/image-store.ts";
import { directoryFiles, snapshotFiles } from "../container-files.ts";
import type { VolumeStore } from "../volumes/volume-store.ts";
import type { ContainerRecord } from "../lifecycle/record.ts";
import { layeredRoot } from "./layered-root.ts";

/**
 * Fills empty volumes with what the image has at their place, owner and mode of the directory included (moby, container: populateVolume).
 */
export async function copyUpVolumes(
  { images, volumes }: { readonly images: Pick<ImageStore, "snapshot">; readonly volumes: VolumeStore },
  { id, config, mounts }: ContainerRecord,
): Promise<void> {
  const snapshot = images.snapshot(id);
  if (!snapshot) return;
  const image = layeredRoot(snapshot.mount);
  for (const [index, mount] of config.mounts.entries()) {
    const point = mounts[index];
    if (mount.kind !== "volume" || !mount.copyUp || mount.subpath || !point) continue;
    const found = image.find(point.destination)?.stats;
    if (!found?.isDirectory() || point.name === undefined) continue;
    // What options or a plugin mount lies there only while it is mounted.
    const target = await volumes.activate(point.name, id);
    try {
      if (readdirSync(target).length > 0) continue;
      await copyDirectory(snapshotFiles(snapshot), point.destination, target);
      chownSync(target, found.uid, found.gid);
      chmodSync(target, found.mode & 0o7777);
    } finally {
      await volumes.deactivate(point.name, id);
    }
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
