import { posix } from "node:path";
import { GantryError } from "#base/errors.ts";
import { snapshotFiles } from "#containers/container-files.ts";
import type { MountConfig } from "#containers/engine.ts";
import type { BuildRun } from "../types.ts";

/** The places of mounts that are not in the image, outermost first: what is made for a mount is no part of the layer. */
export function missingPlaces(run: BuildRun, snapshotId: string, mounts: readonly MountConfig[]): readonly string[] {
  return withRoot(run, snapshotId, (files) => {
    const missing = new Set<string>();
    for (const { target } of mounts) {
      for (let path = posix.normalize(target); path !== "/"; path = posix.dirname(path)) {
        if (files.stat(path)) break;
        missing.add(path);
      }
    }
    return [...missing].toSorted((a, b) => a.length - b.length);
  });
}

/** Takes them away again, when there is nothing in them. */
export function removePlaces(run: BuildRun, snapshotId: string, places: readonly string[]): void {
  if (places.length === 0) return;
  withRoot(run, snapshotId, (files) => places.toReversed().forEach((path) => files.removeEmpty(path)));
}

function withRoot<T>(run: BuildRun, snapshotId: string, use: (files: ReturnType<typeof snapshotFiles>) => T): T {
  const snapshot = run.images.snapshot(snapshotId);
  if (!snapshot) throw new GantryError("internal", `no snapshot ${snapshotId}`);
  const files = snapshotFiles(snapshot);
  try {
    return use(files);
  } finally {
    files.close();
  }
}
