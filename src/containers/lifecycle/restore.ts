import { readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { openCgroup } from "#linux/cgroups.ts";
import { adoptShim } from "./adopt.ts";
import { attempt, type EngineContext } from "./context.ts";
import { endRun } from "./end-run.ts";
import { INIT, newEntry, type Entry } from "./entry.ts";
import { readRecords } from "./record.ts";
import { removeDown } from "./remove.ts";
import { startsAtOpen } from "./restart-policy.ts";
import { scheduleRestart } from "./schedule-restart.ts";
import { unmountSharedMemory } from "./shared-memory.ts";
import { watchHealth } from "../health/watch-health.ts";

/**
 * Takes up what an earlier engine left: containers that run are found again by their shims, exits that happened meanwhile are told, what
 * was cut short (creations, starts, removals) is undone or finished. Records that cannot be read are left alone, and all that is theirs.
 */
export async function restore(context: EngineContext): Promise<void> {
  const { places, registry, logger } = context;
  const found = readRecords(places.containers);
  for (const { id, reason } of found.unreadable)
    logger.error({ container: id, reason }, "container record cannot be read; nothing of it is touched");
  for (const record of found.records) {
    const entry = newEntry(record);
    entry.endpoints = context.networks.endpoints({ owner: record.id });
    registry.reserveName(record.id, record.name);
    registry.add(entry);
  }
  const entries = Array.from(registry.entries());
  await Promise.all(entries.map((entry) => attempt(context, "taking up", entry.id, () => takeUp(context, entry))));
  for (const id of found.unfinished) await attempt(context, "undoing a creation", id, () => undoCreation(context, id));
  for (const name of found.removed)
    await attempt(context, "removing files", name, () =>
      rm(join(places.containers, name), { recursive: true, force: true }),
    );
  const known = new Set([...entries.map(({ id }) => id), ...found.unreadable.map(({ id }) => id)]);
  await sweep(context, known);
}

/** After everything is open: containers whose policy says so are started. */
export function startByPolicy(context: EngineContext): void {
  for (const entry of Array.from(context.registry.entries())) {
    const { state, config, stopped } = entry.record;
    if (state.status === "restarting") scheduleRestart(context, entry, entry.record.lastDelayMs);
    else if (state.status === "exited" && startsAtOpen(config.restartPolicy, stopped)) startAgain(context, entry);
    else if (state.status === "exited" && config.autoRemove)
      void attempt(context, "removal", entry.id, () =>
        context.serial.run(entry.id, () => removeDown(context, entry, true)),
      );
  }
}

function startAgain(context: EngineContext, entry: Entry): void {
  const { state } = entry.record;
  if (state.status !== "exited") return;
  context.registry.save(entry, { state: { status: "restarting", startedAt: state.startedAt, exit: state.exit } });
  scheduleRestart(context, entry, 0);
}

async function takeUp(context: EngineContext, entry: Entry): Promise<void> {
  await context.serial.run(entry.id, async () => {
    const { state } = entry.record;
    switch (state.status) {
      case "running":
      case "paused": {
        const exit = await adoptShim(context, entry, undefined);
        if (exit && entry.run) await endRun(context, entry, entry.run, exit);
        else watchHealth(context, entry, false);
        return;
      }
      case "starting":
        return takeUpStart(context, entry);
      case "removing":
        return removeDown(context, entry, state.volumes);
      default:
        return releaseLeft(context, entry);
    }
  });
}

/** A start that was cut short: one whose process had been executed counts, any other is undone. */
async function takeUpStart(context: EngineContext, entry: Entry): Promise<void> {
  const { registry, clock, places, shims } = context;
  const shim = await shims.connect(places.shim(entry.id)).catch(() => undefined);
  const init = (await shim?.processes())?.find(({ id }) => id === INIT);
  shim?.disconnect();
  if (init && (init.state === "running" || init.state === "exited")) {
    registry.advance(entry, { kind: "started", pid: init.pid, startTicks: init.startTicks, at: clock.now() });
    const exit = await adoptShim(context, entry, undefined);
    if (exit && entry.run) await endRun(context, entry, entry.run, exit);
    else watchHealth(context, entry, true);
    return;
  }
  await releaseLeft(context, entry);
  const exit = { code: 128, oomKilled: false, error: "the start was cut short: the engine ended", at: clock.now() };
  const wasUp = entry.record.state.status === "starting" && entry.record.state.before.status === "restarting";
  registry.advance(entry, { kind: "start-failed", exit });
  if (wasUp) startAgain(context, entry);
}

/** A container that is down has nothing on the host. */
async function releaseLeft(context: EngineContext, entry: Entry): Promise<void> {
  const { id } = entry;
  const path = `${entry.record.config.cgroupParent}/${id}`;
  await attempt(context, "ending a left shim", id, () => endLeftShim(context, id));
  await attempt(context, "removing a left cgroup", id, () => removeLeftCgroup(path));
  await attempt(context, "releasing left shared memory", id, () => unmountSharedMemory(context, id));
  for (const endpoint of entry.endpoints)
    await attempt(context, "leaving a network", id, () => context.networks.detach(id, endpoint.networkId));
  entry.endpoints = [];
}

async function endLeftShim({ shims, places }: EngineContext, id: string): Promise<void> {
  const directory = places.shim(id);
  const shim = await shims.connect(directory).catch(() => undefined);
  if (shim) {
    for (const process of await shim.processes()) {
      if (!process.exit) await shim.signal(process.id, 9);
      await shim.acknowledge(process.id);
    }
    shim.disconnect();
  }
  await rm(directory, { recursive: true, force: true });
}

async function removeLeftCgroup(path: string): Promise<void> {
  const cgroup = openCgroup(path);
  if (!exists(cgroup)) return;
  await cgroup.kill();
  await cgroup.remove();
}

function exists(cgroup: ReturnType<typeof openCgroup>): boolean {
  try {
    cgroup.pids();
    return true;
  } catch {
    return false;
  }
}

/** A directory without a record: the creation was never acknowledged. */
async function undoCreation(context: EngineContext, id: string): Promise<void> {
  await context.images.removeSnapshot(id);
  for (const { id: layer } of context.images.snapshots())
    if (ownerOf(layer) === id) await context.images.removeSnapshot(layer);
  for (const name of context.volumes.madeFor(id)) await context.volumes.remove(name, true);
  await rm(context.places.container(id), { recursive: true, force: true });
}

/** What belongs to no container that is known: writable layers, shims' directories, shared memory. */
async function sweep(context: EngineContext, known: ReadonlySet<string>): Promise<void> {
  const { images, places } = context;
  for (const { id } of images.snapshots())
    if (isContainerId(ownerOf(id)) && !known.has(ownerOf(id)))
      await attempt(context, "removing a left layer", id, () => images.removeSnapshot(id));
  for (const id of namesIn(places.shims))
    if (!known.has(id)) await attempt(context, "ending a left shim", id, () => endLeftShim(context, id));
  for (const id of namesIn(places.sharedMemories))
    if (!known.has(id))
      await attempt(context, "releasing left shared memory", id, () => unmountSharedMemory(context, id));
}

/** Of a container's own layer, and of those of images that are mounted into it. */
const isContainerId = (id: string): boolean => /^[0-9a-f]{64}$/.test(id);

const ownerOf = (layer: string): string => layer.replace(/-image-\d+$/, "");

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
