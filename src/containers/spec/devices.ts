import { lstatSync, readdirSync, realpathSync, statSync, type BigIntStats } from "node:fs";
import { join } from "node:path";
import { GantryError, errorText } from "#base/errors.ts";
import type { OciDevice, OciDeviceRule } from "#formats/oci-spec.ts";

export interface Devices {
  readonly nodes: readonly OciDevice[];
  readonly rules: readonly OciDeviceRule[];
}

/**
 * A `--device`: one device, or all in a directory of them, as nodes of the container and what it may do with them. Throws `invalid` in
 * Docker's words when there is no device (moby, oci.DevicesFromPath).
 */
export function devicesAt(wanted: { hostPath: string; containerPath: string; access: string }): Devices {
  const { hostPath, containerPath, access } = wanted;
  let path: string;
  let stats: BigIntStats;
  try {
    path = realpathSync(hostPath);
    stats = statSync(path, { bigint: true });
  } catch (error) {
    throw notADevice(hostPath, errorText(error), error);
  }
  const found = stats.isDirectory() ? nodesBelow(path, containerPath) : [nodeOf(stats, containerPath)];
  const nodes = found.filter((node) => node !== undefined);
  if (nodes.length === 0) throw notADevice(hostPath, "not a device node");
  return { nodes, rules: nodes.map((node) => ruleOf(node, access)) };
}

/** Every device of the host, for privileged containers; terminals and shared memory are each container's own (containerd, oci.HostDevices). */
export function hostDevices(): readonly OciDevice[] {
  return nodesBelow("/dev", "/dev");
}

const OWN_DIRECTORIES = new Set(["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"]);
const OWN_DEVICES = new Set(["console", "ptmx"]);

function nodesBelow(host: string, container: string): OciDevice[] {
  return readdirSync(host).flatMap((name) => {
    const path = join(host, name);
    const stats = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    if (!stats || stats.isSymbolicLink()) return [];
    if (stats.isDirectory()) return OWN_DIRECTORIES.has(name) ? [] : nodesBelow(path, join(container, name));
    const node = OWN_DEVICES.has(name) ? undefined : nodeOf(stats, join(container, name));
    return node ? [node] : [];
  });
}

function nodeOf(stats: BigIntStats, path: string): OciDevice | undefined {
  if (!stats.isCharacterDevice() && !stats.isBlockDevice()) return undefined;
  return {
    type: stats.isBlockDevice() ? "b" : "c",
    path,
    ...deviceNumbers(stats.rdev),
    fileMode: Number(stats.mode & 0o777n),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
  };
}

/** As glibc packs them (sys/sysmacros.h). */
function deviceNumbers(device: bigint): { major: number; minor: number } {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn);
  const minor = (device & 0xffn) | ((device >> 12n) & ~0xffn & 0xffffffffn);
  return { major: Number(major), minor: Number(minor) };
}

function ruleOf({ type, major, minor }: OciDevice, access: string): OciDeviceRule {
  return {
    allow: true,
    type: type === "b" ? "b" : "c",
    ...(major !== undefined && { major }),
    ...(minor !== undefined && { minor }),
    access,
  };
}

function notADevice(path: string, reason: string, cause?: unknown): GantryError {
  return new GantryError(
    "invalid",
    `error gathering device information while adding custom device ${JSON.stringify(path)}: ${reason}`,
    { path },
    cause,
  );
}
