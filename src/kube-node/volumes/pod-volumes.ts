import type { Stats } from "node:fs";
import { chmod, chown, lstat, mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { GantryError } from "#base/errors.ts";
import { quantityNumber } from "#formats/quantity.ts";
import type {
  HostPathVolumeSource,
  PersistentVolume,
  Pod,
  Volume,
  VolumeProjection,
} from "#formats/kube-types.generated.ts";
import type { Image, ImageStore } from "#images/image-store.ts";
import { podResources } from "../pods/resources.ts";
import type { HostPort } from "../ports.ts";
import { writeAtomically } from "./atomic-directory.ts";
import { projectedFiles, type FileInputs } from "./files.ts";
import { giveTreeToGroup } from "./fs-group.ts";

/** Where a pod's volume lies on the host. */
export interface PreparedVolume {
  readonly path: string;
  readonly readonly: boolean;
  /** A block device, for volumeDevices. */
  readonly isDevice?: boolean;
}

export interface PreparedVolumes {
  readonly byName: ReadonlyMap<string, PreparedVolume>;
  /** When a token must be renewed (epoch milliseconds). */
  readonly renewAt: number | undefined;
}

export interface VolumeInputs extends FileInputs {
  /** This pod's own directory. */
  readonly directory: string;
  readonly host: HostPort;
  /** The image of an image volume, pulled by its policy. */
  image(volume: Volume): Promise<Image>;
  readonly images: Pick<ImageStore, "snapshot" | "createSnapshot">;
  /** What a memory-backed volume may take at most, in bytes. */
  readonly memoryBytes: number;
  /** The persistent volume that a claim is bound to; throws `not-found` until it is. */
  claim(namespace: string, name: string): Promise<PersistentVolume>;
  /** Names a new version of the files: unique within the pod. */
  readonly stamp: string;
}

/** Makes every volume of the pod, or brings the files of those that follow objects up to date. Idempotent. */
export async function preparePodVolumes(inputs: VolumeInputs): Promise<PreparedVolumes> {
  const volumes = inputs.pod.spec?.volumes ?? [];
  const prepared = await Promise.all(
    volumes.map(async (volume) => ({ name: volume.name, ...(await prepareVolume(inputs, volume)) })),
  );
  const renewals = prepared.flatMap(({ renewAt }) => (renewAt === undefined ? [] : [renewAt]));
  return {
    byName: new Map(
      prepared.map(({ name, path, readonly, isDevice }) => [name, { path, readonly, ...(isDevice && { isDevice }) }]),
    ),
    renewAt: renewals.length > 0 ? Math.min(...renewals) : undefined,
  };
}

/** Removes everything of a pod's volumes: memory-backed ones and images are unmounted first, host paths and claims are not touched. */
export async function removePodVolumes(
  directory: string,
  host: Pick<HostPort, "unmount">,
  images: Pick<ImageStore, "removeSnapshot">,
): Promise<void> {
  for (const name of await namesIn(join(directory, "volumes", "empty-dir")))
    host.unmount(volumePath(directory, "empty-dir", name));
  for (const name of await namesIn(join(directory, "volumes", "image"))) {
    host.unmount(volumePath(directory, "image", name));
    await images.removeSnapshot(imageSnapshotId(basename(directory), name));
  }
  await rm(directory, { recursive: true, force: true });
}

/** Takes what was mounted for pods off the host: nothing of them runs any more. The next start mounts it again. */
export async function unmountPodVolumes(podsDirectory: string, host: Pick<HostPort, "unmount">): Promise<void> {
  for (const uid of await namesIn(podsDirectory))
    for (const kind of ["empty-dir", "image"])
      for (const name of await namesIn(join(podsDirectory, uid, "volumes", kind)))
        host.unmount(volumePath(join(podsDirectory, uid), kind, name));
}

type Prepared = PreparedVolume & { readonly renewAt?: number };

async function prepareVolume(inputs: VolumeInputs, volume: Volume): Promise<Prepared> {
  const sources = fileSources(volume);
  if (sources) return prepareFiles(inputs, volume, sources);
  if (volume.emptyDir) return prepareEmptyDir(inputs, volume);
  if (volume.hostPath) return { path: await checkHostPath(volume.hostPath, volume.name), readonly: false };
  if (volume.image) return prepareImage(inputs, volume);
  const claimName =
    volume.persistentVolumeClaim?.claimName ??
    (volume.ephemeral ? `${inputs.pod.metadata.name}-${volume.name}` : undefined);
  if (claimName !== undefined) return prepareClaim(inputs, volume, claimName);
  const kind = Object.keys(volume).find((key) => key !== "name") ?? "none";
  throw new GantryError("unsupported", `volume "${volume.name}": ${kind} volumes are not supported`);
}

function fileSources(volume: Volume): { sources: VolumeProjection[]; mode: number | undefined } | undefined {
  const { configMap, secret, downwardAPI, projected } = volume;
  if (configMap) return { sources: [{ configMap }], mode: configMap.defaultMode };
  if (secret) return { sources: [{ secret: { ...secret, name: secret.secretName } }], mode: secret.defaultMode };
  if (downwardAPI) return { sources: [{ downwardAPI }], mode: downwardAPI.defaultMode };
  if (projected) return { sources: projected.sources ?? [], mode: projected.defaultMode };
  return undefined;
}

async function prepareFiles(
  inputs: VolumeInputs,
  volume: Volume,
  { sources, mode }: { sources: VolumeProjection[]; mode: number | undefined },
): Promise<Prepared> {
  const path = volumePath(inputs.directory, "projected", volume.name);
  const { files, renewAt } = await projectedFiles(inputs, sources, mode);
  await mkdir(path, { recursive: true, mode: 0o755 });
  await writeAtomically(path, files, inputs.pod.spec?.securityContext?.fsGroup, inputs.stamp);
  return { path, readonly: true, ...(renewAt === undefined ? {} : { renewAt }) };
}

async function prepareEmptyDir({ pod, directory, host, memoryBytes }: VolumeInputs, volume: Volume): Promise<Prepared> {
  const path = emptyDirPath(directory, volume.name);
  const medium = volume.emptyDir?.medium ?? "";
  if (medium !== "" && medium !== "Memory")
    throw new GantryError("unsupported", `volume "${volume.name}": emptyDir medium ${medium} is not supported`);
  const inMemory = medium === "Memory";
  // A directory alone says nothing about its file system: the machine may have been restarted.
  if ((await exists(path)) && (!inMemory || host.isMountPoint(path))) return { path, readonly: false };
  await mkdir(path, { recursive: true, mode: 0o700 });
  if (inMemory) host.mountTmpfs(path, memoryVolumeBytes(pod, volume, memoryBytes));
  // 0777 with the set-group-id bit when the pod has an fsGroup: every container may write, whoever it runs as.
  await chmod(path, 0o777);
  await giveToGroup(path, pod.spec?.securityContext?.fsGroup);
  return { path, readonly: false };
}

/** The smallest of the volume's own limit, what the pod may have, and what the node has (kubelet's emptydir calculateEmptyDirMemorySize). */
function memoryVolumeBytes(pod: Pod, { emptyDir }: Volume, nodeBytes: number): number {
  const podBytes = podResources(pod).memory?.limit;
  const own = quantityNumber(emptyDir?.sizeLimit);
  return Math.min(nodeBytes, podBytes ?? Infinity, own > 0 ? own : Infinity);
}

/** An image as a volume: its files, read only. */
async function prepareImage(inputs: VolumeInputs, volume: Volume): Promise<Prepared> {
  const { directory, host, images } = inputs;
  const path = volumePath(directory, "image", volume.name);
  await mkdir(path, { recursive: true, mode: 0o755 });
  if (host.isMountPoint(path)) return { path, readonly: true };
  const id = imageSnapshotId(inputs.pod.metadata.uid ?? "", volume.name);
  const snapshot = images.snapshot(id) ?? (await images.createSnapshot(id, (await inputs.image(volume)).id));
  host.mountImage(path, snapshot.mount);
  return { path, readonly: true };
}

/** Where an emptyDir of a pod lies. */
export function emptyDirPath(podDirectory: string, name: string): string {
  return volumePath(podDirectory, "empty-dir", name);
}

function imageSnapshotId(podUid: string, volumeName: string): string {
  return `pod-${podUid}-${volumeName}`;
}

async function giveToGroup(path: string, gid: number | undefined): Promise<void> {
  if (gid === undefined) return;
  await chown(path, -1, gid);
  await chmod(path, 0o2777);
}

async function prepareClaim(inputs: VolumeInputs, volume: Volume, claimName: string): Promise<Prepared> {
  const bound = await inputs.claim(inputs.pod.metadata.namespace ?? "", claimName);
  const path = bound.spec?.local?.path ?? bound.spec?.hostPath?.path;
  if (path === undefined)
    throw new GantryError(
      "unsupported",
      `persistent volume "${bound.metadata.name}": only hostPath and local volumes are supported`,
    );
  if (bound.spec?.hostPath) await checkHostPath(bound.spec.hostPath, volume.name);
  else if (!(await exists(path)))
    throw new GantryError("not-found", `persistent volume "${bound.metadata.name}": path "${path}" does not exist`);
  const readonly = volume.persistentVolumeClaim?.readOnly === true;
  if (bound.spec?.volumeMode === "Block") {
    // An absolute link to a device, as /dev/disk/by-id has them, counts.
    if (!(await stat(path)).isBlockDevice())
      throw new GantryError("invalid", `persistent volume "${bound.metadata.name}": ${path} is not a block device`);
    return { path, readonly, isDevice: true };
  }
  const { fsGroup, fsGroupChangePolicy } = inputs.pod.spec?.securityContext ?? {};
  // Host paths stay whose they are.
  if (fsGroup !== undefined && !readonly && !bound.spec?.hostPath)
    await giveTreeToGroup(path, fsGroup, fsGroupChangePolicy === "OnRootMismatch");
  return { path, readonly };
}

/** A host path, made or checked as its type says (Kubernetes documentation, "hostPath volume types"). */
async function checkHostPath({ path, type = "" }: HostPathVolumeSource, name: string): Promise<string> {
  const found: Stats | undefined = await stat(path).catch(() => undefined);
  if (!found && type === "DirectoryOrCreate") await mkdir(path, { recursive: true, mode: 0o755 });
  else if (!found && type === "FileOrCreate") await writeFile(path, "", { mode: 0o644, flag: "a" });
  else if (!found && type !== "")
    throw new GantryError("not-found", `hostPath type check failed: ${path} is not a ${type}`);
  else if (!found) await mkdir(path, { recursive: true, mode: 0o755 });
  else if (!matchesType(found, type))
    throw new GantryError(
      "invalid",
      `MountVolume.SetUp failed for volume "${name}" : hostPath type check failed: ${path} is not a ${describeType(type)}`,
    );
  return path;
}

function matchesType(found: Stats, type: string): boolean {
  switch (type) {
    case "Directory":
    case "DirectoryOrCreate":
      return found.isDirectory();
    case "File":
    case "FileOrCreate":
      return found.isFile();
    case "Socket":
      return found.isSocket();
    case "CharDevice":
      return found.isCharacterDevice();
    case "BlockDevice":
      return found.isBlockDevice();
    default:
      return true;
  }
}

function describeType(type: string): string {
  return type
    .replace(/OrCreate$/, "")
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase();
}

async function exists(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}

function volumePath(directory: string, kind: string, name: string): string {
  return join(directory, "volumes", kind, name);
}

/** Uids of the pods that have a directory here: after a restart, those that are no more are removed. */
export async function podDirectories(podsDirectory: string): Promise<string[]> {
  return namesIn(podsDirectory);
}

async function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => []);
}
