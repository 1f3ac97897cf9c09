import { readdirSync } from "node:fs";
import type { ContainerRecord } from "../lifecycle/record.ts";
import type { EngineContext } from "../lifecycle/context.ts";
import { layeredRoot } from "./layered-root.ts";
import { withMountedRoot } from "./mounted-root.ts";
import { copyTree } from "./copy-tree.ts";

/**
 * Fills empty volumes with what the image has at their place, owner and mode of the directory included (moby, container: populateVolume).
 */
export async function copyUpVolumes(
  context: Pick<EngineContext, "images" | "places" | "shims">,
  { id, config, mounts }: ContainerRecord,
): Promise<void> {
  const snapshot = context.images.snapshot(id);
  if (!snapshot) return;
  const image = layeredRoot(snapshot.mount);
  const wanted = config.mounts.flatMap((mount, index) => {
    const point = mounts[index];
    if (mount.kind !== "volume" || !mount.copyUp || mount.subpath || !point) return [];
    const isFilled = readdirSync(point.source).length > 0;
    return !isFilled && image.find(point.destination)?.stats.isDirectory() ? [point] : [];
  });
  if (wanted.length === 0) return;
  await withMountedRoot(context, id, [], async (root) => {
    for (const { source, destination } of wanted) await copyTree(root.handle, destination, source);
  });
}
