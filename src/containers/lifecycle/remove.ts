import { renameSync } from "node:fs";
import { rm } from "node:fs/promises";
import { errorText, GantryError } from "#base/errors.ts";
import { attempt, containerEvent, type EngineContext } from "./context.ts";
import type { Entry } from "./entry.ts";
import { imageLayer, imageMountsOf } from "./image-mounts.ts";
import { volumesOf } from "./prepare-mounts.ts";
import { cancelRestart } from "./schedule-restart.ts";
import { isUp, lastExit, type RecordState } from "./state.ts";
import { killContainer } from "./stop.ts";

const SIGKILL = 9;

/** Removes a container; `force` kills it first, `volumes` takes its anonymous volumes along. */
export async function removeContainer(
  context: EngineContext,
  id: string,
  { force = false, volumes = false }: { force?: boolean; volumes?: boolean } = {},
): Promise<void> {
  const { registry, serial } = context;
  const entry = registry.entry(id);
  refuseRemoval(entry, force);
  // Its own policy may remove it as it ends, before we come to it.
  entry.keep = true;
  try {
    for (let removed = false; !removed;) {
      if (entry.run) await killIfRunning(context, id);
      removed = await serial.run(id, async () => {
        const current = registry.entry(id);
        cancelRestart(context, current);
        // A policy may have started it again before it was our turn.
        if (force && isUp(current.record.state)) return false;
        refuseRemoval(current, false);
        await removeDown(context, current, volumes || current.record.config.autoRemove);
        return true;
      });
    }
  } finally {
    entry.keep = false;
  }
}

function refuseRemoval({ id, record }: Entry, force: boolean): void {
  const { state, name } = record;
  const refuse = (reason: string): never => {
    throw new GantryError("conflict", `cannot remove container "/${name}": ${reason}`, { id });
  };
  if (state.status === "removing") refuse(`removal of container ${id} is already in progress`);
  if (force || !isUp(state)) return;
  if (state.status === "paused") refuse("container is paused and must be unpaused first");
  refuse(`container is ${state.status}: stop the container before removing or force remove`);
}

async function killIfRunning(context: EngineContext, id: string): Promise<void> {
  try {
    await killContainer(context, id, SIGKILL);
  } catch (error) {
    // It ended by itself meanwhile.
    if (context.registry.entry(id).run) throw error;
  }
}

/**
 * Removes a container that is down; the caller holds its place. What is to be done is on disk first, and done again after a crash; its
 * record goes last. When a part fails the container is left "dead", and can be removed again.
 */
export async function removeDown(context: EngineContext, entry: Entry, volumes: boolean): Promise<void> {
  const { registry } = context;
  const before = entry.record.state;
  if (before.status !== "removing") registry.advance(entry, { kind: "remove", volumes });
  try {
    await removeParts(context, entry, volumes);
  } catch (error) {
    registry.advance(entry, { kind: "remove-failed", at: context.clock.now() });
    const message = `container ${entry.id}: ${errorText(error)}`;
    throw new GantryError("internal", message, { id: entry.id }, error);
  }
  registry.delete(entry);
  context.execs.forget(entry);
  containerEvent(context, entry, "destroy");
  // Who waits for the removal hears of its failures only: why a start failed was told to who started it (moby, container/state).
  entry.removed.emit({ ...exitOf(before), error: "" });
}

const exitOf = (state: RecordState) => lastExit(state) ?? { code: 0, oomKilled: false, error: "", at: 0 };

async function removeParts(context: EngineContext, entry: Entry, volumes: boolean): Promise<void> {
  for (const waiting of entry.waiting) waiting.fail(new GantryError("conflict", `container ${entry.id} was removed`));
  await context.images.removeSnapshot(entry.id);
  for (const { index } of imageMountsOf(entry.record.config))
    await context.images.removeSnapshot(imageLayer(entry.id, index));
  if (volumes) await removeAnonymousVolumes(context, entry);
  removeDirectory(context, entry.id);
}

/** Out of the way at once, from the disk soon (a log may be large); what a crash leaves goes when the engine opens. */
function removeDirectory(context: EngineContext, id: string): void {
  const { places } = context;
  try {
    renameSync(places.container(id), places.removed(id));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  void attempt(context, "removing files", id, () => rm(places.removed(id), { recursive: true, force: true }));
}

async function removeAnonymousVolumes({ volumes, logger }: EngineContext, entry: Entry): Promise<void> {
  const own = new Set(
    volumes
      .list()
      .filter(({ anonymous }) => anonymous)
      .map(({ name }) => name),
  );
  for (const name of volumesOf(entry)) {
    // Another container may have it by --volumes-from.
    if (own.has(name) && volumes.users(name).length === 0)
      await attempt({ logger }, `removal of volume ${name}`, entry.id, () => volumes.remove(name, true));
  }
}
