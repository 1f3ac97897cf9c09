import { statSync } from "node:fs";
import { GantryError } from "#base/errors.ts";
import type { MountConfig, MountPoint, Volumes } from "#containers/engine.ts";
import type { DockerConfig, DockerHostConfig } from "#formats/docker-config.ts";
import { parseBind, parseMount, parseTmpfs, parseVolumesFrom, type MountRequest } from "#formats/docker-mounts.ts";
import type { ImageStore } from "#images/image-store.ts";
import type { FindContainer } from "./namespaces.ts";

/**
 * Every mount that a container asks for, in Docker's order of precedence: volumes of other containers give way to binds, mounts
 * and tmpfs; the image's volumes take what is left. Throws `invalid` in Docker's words.
 */
export function mountRequests(config: DockerConfig, host: DockerHostConfig, find: FindContainer): MountRequest[] {
  const byTarget = new Map<string, MountRequest>();
  for (const request of (host.VolumesFrom ?? []).flatMap((spec) => inheritedMounts(spec, find)))
    byTarget.set(request.target, request);
  const own = new Set<string>();
  for (const request of ownMounts(host)) {
    if (own.has(request.target)) throw new GantryError("invalid", `Duplicate mount point: ${request.target}`);
    own.add(request.target);
    byTarget.set(request.target, request);
  }
  for (const target of Object.keys(config.Volumes ?? {})) {
    const request = parseBind(target, host.VolumeDriver ?? "");
    if (!byTarget.has(request.target)) byTarget.set(request.target, request);
  }
  return [...byTarget.values()];
}

function ownMounts(host: DockerHostConfig): MountRequest[] {
  return [
    ...(host.Binds ?? []).map((raw) => parseBind(raw, host.VolumeDriver ?? "")),
    ...(host.Mounts ?? []).map((mount) => parseMount(mount, exists)),
    ...Object.entries(host.Tmpfs ?? {}).map(([target, options]) => parseTmpfs(target, options)),
  ];
}

function inheritedMounts(spec: string, find: FindContainer): MountRequest[] {
  const { container: reference, mode } = parseVolumesFrom(spec);
  const container = find(reference);
  if (!container) throw new GantryError("invalid", `No such container: ${reference}`, { reference });
  return container.mounts.filter(({ type }) => type !== "tmpfs").map((mount) => inherit(mount, mode));
}

function inherit(mount: MountPoint, mode: "rw" | "ro" | undefined): MountRequest {
  const readonly = mode === "ro" || mount.readonly;
  if (mount.type === "volume") {
    const { name, destination: target, driver = "local" } = mount;
    return {
      kind: "volume",
      name,
      target,
      readonly,
      copyUp: false,
      subpath: undefined,
      driver,
      driverOptions: {},
      labels: {},
    };
  }
  if (mount.type === "image")
    return { kind: "image", image: mount.name ?? "", target: mount.destination, subpath: undefined };
  const { source, destination: target, propagation } = mount;
  return {
    kind: "bind",
    source,
    target,
    readonly,
    propagation: propagation || undefined,
    create: false,
    recursive: true,
  };
}

/** Makes the named volumes that are not there yet, with their driver, options and labels, and gives the engine's mounts. */
export async function prepareMounts(
  requests: readonly MountRequest[],
  volumes: Volumes,
  images: Pick<ImageStore, "get">,
): Promise<MountConfig[]> {
  const mounts: MountConfig[] = [];
  for (const request of requests) mounts.push(await prepareMount(request, volumes, images));
  return mounts;
}

async function prepareMount(
  request: MountRequest,
  volumes: Volumes,
  images: Pick<ImageStore, "get">,
): Promise<MountConfig> {
  if (request.kind === "image") {
    const { kind, image, target, subpath } = request;
    return { kind, image, imageId: images.get(image).id, target, ...(subpath !== undefined && { subpath }) };
  }
  if (request.kind === "tmpfs") return { kind: "tmpfs", target: request.target, options: request.options };
  if (request.kind === "bind") {
    const { kind, source, target, readonly, create, recursive, propagation, shallowReadonly } = request;
    return {
      kind,
      source,
      target,
      readonly,
      create,
      recursive,
      ...(propagation !== undefined && { propagation }),
      ...(shallowReadonly && { shallowReadonly }),
    };
  }
  const { name, driver, driverOptions: options, labels } = request;
  if (name !== undefined) await volumes.create({ name, driver, labels, options });
  else if (driver !== "local" || Object.keys(options).length > 0 || Object.keys(labels).length > 0) {
    const { name: made } = await volumes.create({ driver, labels, options });
    return volumeMount(request, made);
  }
  return volumeMount(request, name);
}

function volumeMount(request: Extract<MountRequest, { kind: "volume" }>, name: string | undefined): MountConfig {
  const { target, readonly, copyUp, subpath } = request;
  return { kind: "volume", name, target, readonly, copyUp, ...(subpath !== undefined && { subpath }) };
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
