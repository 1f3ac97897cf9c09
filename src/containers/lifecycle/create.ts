import { mkdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { hostname } from "node:os";
import { errorText, GantryError } from "#base/errors.ts";
import { hexId } from "#base/ids.ts";
import { ALL_CAPABILITIES } from "#formats/docker-capabilities.ts";
import type { Container, ContainerConfig, MountPoint } from "../engine.ts";
import { copyUpVolumes } from "../files/copy-up.ts";
import { heldCapabilities } from "../spec/held-capabilities.ts";
import { mountPoint } from "../spec/mount-points.ts";
import { containerEvent, type EngineContext } from "./context.ts";
import { newEntry } from "./entry.ts";
import { imageLayer, imageMountPath, imageMountsOf } from "./image-mounts.ts";
import { NEVER_STARTED, type ContainerRecord } from "./record.ts";
import { undoList, type Undo } from "./undo.ts";

/**
 * Makes a container. Its directory is the intent: a directory without a record is a creation cut short, and is cleaned up when the engine
 * opens. Throws `invalid`, `conflict` (the name) or what the image store throws, with everything undone.
 */
export async function createContainer(context: EngineContext, config: ContainerConfig): Promise<Container> {
  const { registry, places, logger } = context;
  const id = hexId(context.random);
  const name = registry.reserveName(id, config.name);
  const undo = undoList();
  undo.add(() => registry.releaseName(name));
  try {
    mkdirSync(places.container(id), { mode: 0o710 });
    undo.add(() => rm(places.container(id), { recursive: true, force: true }));
    const mounts = await resolveMounts(context, id, config, undo);
    for (const { mount, index } of imageMountsOf(config)) {
      undo.add(() => context.images.removeSnapshot(imageLayer(id, index)));
      await context.images.createSnapshot(imageLayer(id, index), mount.imageId);
    }
    // A sandbox has no root file system.
    if (config.imageId !== undefined) {
      undo.add(() => context.images.removeSnapshot(id));
      await context.images.createSnapshot(id, config.imageId);
    }
    const record: ContainerRecord = {
      ...NEVER_STARTED,
      version: 1,
      id,
      name,
      config: withHeldCapabilities(completed(config, id)),
      createdAt: context.clock.now(),
      mounts,
    };
    const entry = newEntry(record);
    await copyUpVolumes(context, record);
    await registry.saveDurably(entry, {});
    registry.add(entry);
    containerEvent(context, entry, "create");
    return registry.view(entry);
  } catch (error) {
    await undo.run((failure) => logger.warn({ container: id, error: errorText(failure) }, "undoing a creation"));
    throw error;
  }
}

/** Without a host name of its own it is called by its short id, or as the host whose network it shares (moby, daemon/container). */
function completed(config: ContainerConfig, id: string): ContainerConfig {
  if (config.hostname !== "") return config;
  const { network, uts } = config.namespaces;
  if ((network.kind === "host" && network.netns === undefined) || uts.kind === "host")
    return { ...config, hostname: hostname() };
  return { ...config, hostname: id.slice(0, 12) };
}

/** "Every capability" (privileged, `--cap-add ALL`) means those that this machine lets the daemon give. */
function withHeldCapabilities(config: ContainerConfig): ContainerConfig {
  const { security } = config;
  if (security.capabilities.length < ALL_CAPABILITIES.length) return config;
  return { ...config, security: { ...security, capabilities: [...heldCapabilities()] } };
}

async function resolveMounts(
  { volumes, places }: EngineContext,
  id: string,
  config: ContainerConfig,
  undo: Undo,
): Promise<MountPoint[]> {
  const points: MountPoint[] = [];
  for (const [index, mount] of config.mounts.entries()) {
    const volume = mount.kind === "volume" ? await volumes.ensure(mount.name, id) : undefined;
    if (volume && mount.kind === "volume" && mount.name === undefined)
      undo.add(() => volumes.remove(volume.name, true));
    const point = mountPoint(mount, { volume, imagePath: imageMountPath(places, id, index) });
    if (points.some(({ destination }) => destination === point.destination))
      throw new GantryError("invalid", `Duplicate mount point: ${point.destination}`, { target: point.destination });
    points.push(point);
  }
  return points;
}
