import type { Engine } from "#containers/engine.ts";
import type { ImageStore } from "#images/image-store.ts";

/** Writable layers of steps are named so: no container's id looks like it. */
const STEP_SNAPSHOT = /^build-[0-9a-f]{32}$/;

/** Removes what the steps of a process that was killed stood on: containers of RUN, and layers of COPY. */
export async function removeLeftovers(engine: Engine, images: ImageStore): Promise<void> {
  for (const { id, config } of engine.list())
    if (config.origin?.["build"] !== undefined) await engine.remove(id, { force: true, volumes: true });
  for (const { id } of images.snapshots()) if (STEP_SNAPSHOT.test(id)) await images.removeSnapshot(id);
}
