import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { GantryError } from "#base/errors.ts";
import type { OciMount } from "#formats/oci-spec.ts";
import {
  close,
  errnoText,
  isSyscallError,
  O_DIRECTORY,
  O_PATH,
  open,
  openat2,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
} from "#linux/syscalls.ts";
import type { ContainerConfig, MountPoint } from "../engine.ts";
import { cleanTarget, userMounts } from "../spec/mount-points.ts";
import type { EngineContext } from "./context.ts";
import type { Entry } from "./entry.ts";
import { mountImages, unmountImages } from "./image-mounts.ts";

/** Makes ready what a container mounts: sources that may be made are made, volumes with options are mounted. */
export async function prepareMounts(
  context: Pick<EngineContext, "volumes" | "images" | "places">,
  entry: Entry,
): Promise<readonly OciMount[]> {
  const { config, mounts } = entry.record;
  for (const mount of config.mounts) if (mount.kind === "bind") prepareSource(mount.source, mount.create);
  mountImages(context, entry);
  const placed: MountPoint[] = [];
  for (const point of mounts) placed.push(await activated(context.volumes, point, entry.id));
  config.mounts.forEach((mount, index) => checkSubpath(mount, placed[index]));
  return userMounts(config.mounts, placed, config.namespaces.user !== undefined);
}

/** What is mounted from inside a volume or an image has to be there. Throws `not-found` in Docker's words. */
function checkSubpath(mount: ContainerConfig["mounts"][number], point: MountPoint | undefined): void {
  if ((mount.kind !== "volume" && mount.kind !== "image") || !mount.subpath || !point) return;
  const root = open(point.source, O_PATH | O_DIRECTORY);
  try {
    close(openat2(root, mount.subpath, { flags: O_PATH, resolve: RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS }));
  } catch (error) {
    if (!isSyscallError(error)) throw error;
    const path = join(point.source, mount.subpath);
    const text = `cannot access path ${path}: lstat ${path}: ${errnoText(error.errno)}`;
    throw new GantryError("invalid", text, { path }, error);
  } finally {
    close(root);
  }
}

/** A plugin's volume lies where the plugin says at each start. */
async function activated(volumes: EngineContext["volumes"], point: MountPoint, id: string): Promise<MountPoint> {
  if (point.type !== "volume" || point.name === undefined) return point;
  return { ...point, source: await volumes.activate(point.name, id) };
}

/** Mounts that bind a path below their source, by destination. */
export function subpathsOf({ record }: Entry): ReadonlyMap<string, string> {
  const subpaths = new Map<string, string>();
  for (const mount of record.config.mounts) {
    if (mount.kind !== "tmpfs" && mount.subpath) subpaths.set(cleanTarget(mount.target), mount.subpath);
  }
  return subpaths;
}

/** Docker's events of a container's volumes, as it starts and as it has ended (moby, daemon/volumes_unix). */
export function volumeEvents(
  { events }: Pick<EngineContext, "events">,
  { id, record }: Entry,
  action: "mount" | "unmount",
): void {
  for (const { type, name = "", destination, driver = "local", readonly, propagation } of record.mounts) {
    if (type !== "volume") continue;
    const place = { destination, propagation, "read/write": String(!readonly) };
    const attributes = { container: id, driver, ...(action === "mount" ? place : {}) };
    events.record({ type: "volume", action, actorId: name, attributes });
  }
}

/** After the end of a run: images are unmounted, and volumes with options when no one else uses them. */
export async function deactivateVolumes(
  context: Pick<EngineContext, "volumes" | "places">,
  entry: Entry,
): Promise<void> {
  unmountImages(context, entry);
  for (const name of volumesOf(entry)) await context.volumes.deactivate(name, entry.id);
}

/** Volumes that a container has, by name. */
export function volumesOf({ record }: Entry): readonly string[] {
  return record.mounts.flatMap(({ type, name }) => (type === "volume" && name !== undefined ? [name] : []));
}

function prepareSource(source: string, create: boolean): void {
  if (existsSync(source)) return;
  if (!create)
    throw new GantryError(
      "invalid",
      `invalid mount config for type "bind": bind source path does not exist: ${source}`,
      { source },
    );
  mkdirSync(source, { recursive: true, mode: 0o755 });
}
