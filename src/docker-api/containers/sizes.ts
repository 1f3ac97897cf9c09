import type { Container } from "#containers/engine.ts";
import type { Deps } from "../deps.ts";

/** Bytes of a container's writable layer, and of its whole root file system. */
export async function containerSizes(deps: Deps, container: Container): Promise<{ rw: number; rootFs: number }> {
  const rw = deps.images.snapshot(container.id) ? await deps.images.snapshotBytes(container.id) : 0;
  const image = container.config.imageId === undefined ? undefined : deps.images.find(container.config.imageId);
  return { rw, rootFs: rw + (image?.size ?? 0) };
}
