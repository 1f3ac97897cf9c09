import { posix } from "node:path";
import { GantryError } from "#base/errors.ts";
import type { OciMount } from "#formats/oci-spec.ts";
import type { MountConfig, MountPoint } from "../engine.ts";

/** What a mount of the configuration came to: shown by inspect, and bound at each start. */
export function mountPoint(
  config: MountConfig,
  found: { volume?: { name: string; mountpoint: string; driver: string } | undefined; imagePath?: string },
): MountPoint {
  const { volume } = found;
  const destination = cleanTarget(config.target);
  switch (config.kind) {
    case "tmpfs":
      return {
        type: "tmpfs",
        source: "",
        destination,
        mode: "",
        readonly: isReadOnly(config.options),
        propagation: "",
      };
    case "bind":
      return {
        type: "bind",
        source: config.source,
        destination,
        mode: config.readonly ? "ro" : "",
        readonly: config.readonly,
        propagation: config.propagation || DEFAULT_PROPAGATION,
      };
    case "image":
      return {
        type: "image",
        name: config.image,
        source: found.imagePath ?? "",
        destination,
        mode: "",
        readonly: true,
        propagation: DEFAULT_PROPAGATION,
      };
    case "volume":
      if (!volume) throw new GantryError("internal", `mount of ${destination}: its volume is not known`);
      return {
        type: "volume",
        name: volume.name,
        source: volume.mountpoint,
        destination,
        driver: volume.driver,
        mode: config.readonly ? "ro" : "z",
        readonly: config.readonly,
        propagation: "",
      };
  }
}

const DEFAULT_PROPAGATION = "rprivate";

/** Throws `invalid` in Docker's words for a target that is not a place below the root. */
export function cleanTarget(target: string): string {
  if (!target.startsWith("/"))
    throw new GantryError("invalid", `invalid mount path: '${target}' mount path must be absolute`, { target });
  const clean = posix.normalize(target).replace(/(.)\/+$/, "$1");
  if (clean === "/") throw new GantryError("invalid", `invalid specification: destination can't be '/'`, { target });
  return clean;
}

/**
 * The user's mounts as the runtime makes them, those nearer to the root first (moby, daemon/volumes: by number of parts). In a user
 * namespace volumes have its ids; on disk they keep their own.
 */
export function userMounts(
  configs: readonly MountConfig[],
  points: readonly MountPoint[],
  inUserNamespace = false,
): OciMount[] {
  const mounts = configs.map((config, index) => ociMount(config, points[index], inUserNamespace));
  return mounts.toSorted((a, b) => depth(a.destination) - depth(b.destination));
}

const depth = (path: string): number => path.split("/").length;

function ociMount(config: MountConfig, point: MountPoint | undefined, inUserNamespace: boolean): OciMount {
  const destination = cleanTarget(config.target);
  if (config.kind === "tmpfs")
    return {
      destination,
      type: "tmpfs",
      source: "tmpfs",
      options: mergeTmpfsOptions([...TMPFS_OPTIONS, ...config.options]),
    };
  if (config.kind === "image")
    return { destination, type: "bind", source: point?.source ?? "", options: ["rbind", "rro", DEFAULT_PROPAGATION] };
  const recursive = config.kind === "volume" || config.recursive;
  const propagation = (config.kind === "bind" && config.propagation) || DEFAULT_PROPAGATION;
  const mapped = inUserNamespace && (config.kind === "volume" || config.mapIds === true);
  const deep = recursive && !(config.kind === "bind" && config.shallowReadonly);
  return {
    destination,
    type: "bind",
    source: point?.source ?? "",
    options: [
      recursive ? "rbind" : "bind",
      ...(config.readonly ? [deep ? "rro" : "ro"] : []),
      propagation,
      ...(mapped ? ["idmap"] : []),
    ],
  };
}

const TMPFS_OPTIONS: readonly string[] = ["noexec", "nosuid", "nodev", "rprivate"];

/** Pairs of which the last one counts (moby/sys/mount, MergeTmpfsOptions). */
const OPPOSITES: readonly (readonly string[])[] = [
  ["ro", "rw"],
  ["exec", "noexec"],
  ["suid", "nosuid"],
  ["dev", "nodev"],
  ["atime", "noatime"],
  ["diratime", "nodiratime"],
  ["relatime", "norelatime"],
  ["strictatime", "nostrictatime"],
  ["sync", "async"],
  ["private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable"],
];

export function mergeTmpfsOptions(options: readonly string[]): string[] {
  const merged = new Map<string, string>();
  for (const option of options) {
    const group = OPPOSITES.findIndex((names) => names.includes(option));
    const key = group >= 0 ? `flag ${group}` : (option.split("=")[0] ?? option);
    merged.delete(key);
    merged.set(key, option);
  }
  return Array.from(merged.values());
}

function isReadOnly(options: readonly string[]): boolean {
  return mergeTmpfsOptions(options).includes("ro");
}

/** Shared or slave mounts need a root that lets mounts through (moby, daemon/oci_linux: WithMounts). */
export function rootPropagation(mounts: readonly OciMount[]): string | undefined {
  const any = (...names: string[]): boolean =>
    mounts.some(({ options }) => options?.some((option) => names.includes(option)));
  if (any("shared", "rshared")) return "shared";
  return any("slave", "rslave") ? "rslave" : undefined;
}
