import { posix } from "node:path";
import { GantryError } from "#base/errors.ts";
import type { DockerMount } from "./docker-config.ts";

/** A mount as the user asked for it, whichever of the ways (`Binds`, `Mounts`, `Tmpfs`, `Volumes`) it came. */
export type MountRequest =
  | {
      readonly kind: "bind";
      readonly source: string;
      readonly target: string;
      readonly readonly: boolean;
      readonly propagation: string | undefined;
      /** Make the source directory when it is missing (`-v` does, `--mount` does not unless asked). */
      readonly create: boolean;
      readonly recursive: boolean;
      /** Only the mount itself is read-only, not those below it. */
      readonly shallowReadonly?: boolean;
    }
  | {
      readonly kind: "image";
      readonly image: string;
      readonly target: string;
      readonly subpath: string | undefined;
    }
  | {
      readonly kind: "volume";
      readonly name: string | undefined;
      readonly target: string;
      readonly readonly: boolean;
      readonly copyUp: boolean;
      readonly subpath: string | undefined;
      readonly driver: string;
      readonly driverOptions: Readonly<Record<string, string>>;
      readonly labels: Readonly<Record<string, string>>;
    }
  | { readonly kind: "tmpfs"; readonly target: string; readonly options: readonly string[] };

const PROPAGATIONS = new Set(["private", "rprivate", "slave", "rslave", "shared", "rshared"]);
/** Groups of mode words; one of each group at most (moby volume/mounts/linux_parser.go). */
const MODE_GROUPS: readonly ReadonlySet<string>[] = [
  new Set(["ro", "rw"]),
  new Set(["z", "Z"]),
  PROPAGATIONS,
  new Set(["nocopy"]),
  new Set(["consistent", "cached", "delegated", "default"]),
];

/** What Docker gives every tmpfs unless the user says otherwise. */
const TMPFS_DEFAULTS = ["noexec", "nosuid", "nodev"];

/** A `Binds` entry: `/host:/target[:mode]`, `volume:/target[:mode]` or `/target`. Throws `invalid` in Docker's words. */
export function parseBind(raw: string, volumeDriver: string): MountRequest {
  const parts = raw.split(":");
  const [first = "", second, third = ""] = parts;
  if (first === "" || parts.length > 3) throw invalidSpec(raw);
  if (second === undefined) return volumeRequest(undefined, cleanTarget(first, raw), "", volumeDriver);
  if (parts.length === 2 && isMode(second)) throw invalidSpec(raw);
  if (!isMode(third)) throw new GantryError("invalid", `invalid mode: ${third}`);
  const target = cleanTarget(second, raw);
  const modes = third.split(",");
  if (!posix.isAbsolute(first)) return volumeRequest(checkVolumeName(first), target, third, volumeDriver);
  return {
    kind: "bind",
    source: cleanPath(first),
    target,
    readonly: modes.includes("ro"),
    propagation: modes.find((mode) => PROPAGATIONS.has(mode)),
    create: true,
    recursive: true,
  };
}

function volumeRequest(name: string | undefined, target: string, mode: string, driver: string): MountRequest {
  const modes = mode.split(",");
  const propagation = modes.find((each) => PROPAGATIONS.has(each));
  if (propagation !== undefined) throw new GantryError("invalid", `invalid mode: ${mode}`);
  return {
    kind: "volume",
    name,
    target,
    readonly: modes.includes("ro"),
    copyUp: !modes.includes("nocopy"),
    subpath: undefined,
    driver: driver === "" ? "local" : driver,
    driverOptions: {},
    labels: {},
  };
}

function isMode(mode: string): boolean {
  if (mode === "") return true;
  const words = mode.split(",");
  if (!words.every((word) => MODE_GROUPS.some((group) => group.has(word)))) return false;
  return MODE_GROUPS.every((group) => words.filter((word) => group.has(word)).length <= 1);
}

/** A `Mounts` document. `exists` tells whether a bind source is there. Throws `invalid` in Docker's words. */
export function parseMount(mount: DockerMount, exists: (path: string) => boolean): MountRequest {
  const type = mount.Type ?? "";
  const fail = (reason: string): GantryError =>
    new GantryError("invalid", `invalid mount config for type "${type}": ${reason}`);
  const target = mount.Target ?? "";
  if (target === "") throw fail("field Target must not be empty");
  if (cleanPath(target) === "/") throw fail("invalid specification: destination can't be '/'");
  if (!posix.isAbsolute(target)) throw fail(`invalid mount path: '${target}' mount path must be absolute`);
  for (const [field, kind] of [
    ["BindOptions", "bind"],
    ["VolumeOptions", "volume"],
    ["ImageOptions", "image"],
    ["TmpfsOptions", "tmpfs"],
    ["ClusterOptions", "cluster"],
  ] as const) {
    if (mount[field] !== undefined && kind !== type) throw fail(`field ${field} must not be specified`);
  }
  switch (type) {
    case "bind":
      return bindMount(mount, cleanPath(target), exists, fail);
    case "volume":
      return volumeMount(mount, cleanPath(target), fail);
    case "tmpfs":
      return tmpfsMount(mount, cleanPath(target), fail);
    case "image":
      return imageMount(mount, cleanPath(target), fail);
    case "cluster":
    case "npipe":
      throw new GantryError("unsupported", `mounts of type "${type}" are not supported`, { field: "Mounts" });
    default:
      throw fail("mount type unknown");
  }
}

type Fail = (reason: string) => GantryError;

function bindMount(mount: DockerMount, target: string, exists: (path: string) => boolean, fail: Fail): MountRequest {
  const source = mount.Source ?? "";
  const options = mount.BindOptions ?? {};
  if (source === "") throw fail("field Source must not be empty");
  if (options.Propagation && !PROPAGATIONS.has(options.Propagation))
    throw fail(`invalid propagation mode: ${options.Propagation}`);
  if (!posix.isAbsolute(source)) throw fail(`invalid mount path: '${source}' mount path must be absolute`);
  if (!exists(source) && !options.CreateMountpoint) throw fail(`bind source path does not exist: ${source}`);
  checkReadOnly(mount, fail);
  return {
    kind: "bind",
    source: cleanPath(source),
    target,
    readonly: mount.ReadOnly ?? false,
    propagation: options.Propagation || undefined,
    create: options.CreateMountpoint ?? false,
    recursive: !options.NonRecursive,
    ...(options.ReadOnlyNonRecursive && { shallowReadonly: true }),
  };
}

function imageMount(mount: DockerMount, target: string, fail: Fail): MountRequest {
  const image = mount.Source ?? "";
  if (image === "") throw fail("field Source must not be empty");
  const subpath = mount.ImageOptions?.Subpath || undefined;
  if (subpath !== undefined && !isLocal(subpath)) throw fail("subpath must be a relative path within the image");
  return { kind: "image", image, target, subpath };
}

/** A read-only bind is so for the mounts below it too, unless it says otherwise. */
function checkReadOnly({ ReadOnly, BindOptions: options = {} }: DockerMount, fail: Fail): void {
  if (options.ReadOnlyNonRecursive && options.ReadOnlyForceRecursive)
    throw fail("bind.readonly-non-recursive and bind.readonly-force-recursive conflict");
  if (options.ReadOnlyNonRecursive && !ReadOnly) throw fail("ReadOnlyNonRecursive requires ReadOnly to be specified");
  if (!options.ReadOnlyForceRecursive) return;
  if (!ReadOnly) throw fail("ReadOnlyForceRecursive requires ReadOnly to be specified");
  if (options.NonRecursive) throw fail("ReadOnlyForceRecursive conflicts with NonRecursive");
  if (options.Propagation !== "rprivate")
    throw fail('ReadOnlyForceRecursive requires Propagation to be specified as "rprivate"');
}

function volumeMount(mount: DockerMount, target: string, fail: Fail): MountRequest {
  const name = mount.Source === "" ? undefined : mount.Source;
  const options = mount.VolumeOptions ?? {};
  const subpath = options.Subpath || undefined;
  if (subpath !== undefined && name === undefined) throw fail("must not set Subpath when using anonymous volumes");
  if (subpath !== undefined && !isLocal(subpath)) throw fail("subpath must be a relative path within the volume");
  if (mount.ReadOnly && name === undefined) throw fail("must not set ReadOnly mode when using anonymous volumes");
  return {
    kind: "volume",
    name: name === undefined ? undefined : checkVolumeName(name),
    target,
    readonly: mount.ReadOnly ?? false,
    copyUp: !options.NoCopy,
    subpath,
    driver: options.DriverConfig?.Name || "local",
    driverOptions: options.DriverConfig?.Options ?? {},
    labels: options.Labels ?? {},
  };
}

function tmpfsMount(mount: DockerMount, target: string, fail: Fail): MountRequest {
  if (mount.Source) throw fail("field Source must not be specified");
  const options = mount.TmpfsOptions ?? {};
  const words = [
    ...(mount.ReadOnly ? ["ro"] : []),
    ...(options.Mode ? [`mode=${options.Mode.toString(8)}`] : []),
    ...(options.SizeBytes ? [`size=${options.SizeBytes}`] : []),
  ];
  for (const option of options.Options ?? []) {
    if (option.length < 1 || option.length > 2) throw fail("invalid option array length");
    if (option[0] !== "exec" && option[0] !== "noexec") throw fail(`invalid option: ${option[0]}`);
    words.push(option.join("="));
  }
  return { kind: "tmpfs", target, options: mergeTmpfsOptions(words) };
}

/** A `Tmpfs` entry: target → comma-separated mount options. Throws `invalid` in Docker's words. */
export function parseTmpfs(target: string, options: string): MountRequest {
  if (cleanPath(target) === "/") throw new GantryError("invalid", "invalid specification: destination can't be '/'");
  if (!posix.isAbsolute(target))
    throw new GantryError("invalid", `invalid mount path: '${target}' mount path must be absolute`);
  const words = options === "" ? [] : options.split(",");
  const bad = words.find(
    (word) => !TMPFS_WORDS.has(word) && !/^(size|mode|uid|gid|nr_inodes|nr_blocks|mpol)=.+$/.test(word),
  );
  if (bad !== undefined) throw new GantryError("invalid", `Invalid tmpfs option ["${bad}"]`);
  return { kind: "tmpfs", target: cleanPath(target), options: mergeTmpfsOptions(words) };
}

const TMPFS_WORDS = new Set([
  "ro",
  "rw",
  "exec",
  "noexec",
  "suid",
  "nosuid",
  "dev",
  "nodev",
  "atime",
  "noatime",
  "diratime",
  "nodiratime",
  "relatime",
  "norelatime",
  "strictatime",
  "nostrictatime",
  "sync",
  "async",
  "dirsync",
  "mand",
  "nomand",
  "remount",
  "defaults",
  "bind",
  "rbind",
  "private",
  "rprivate",
  "shared",
  "rshared",
  "slave",
  "rslave",
  "unbindable",
  "runbindable",
]);

/** Docker's defaults with what the user said taking their place. */
function mergeTmpfsOptions(words: readonly string[]): string[] {
  const opposites = new Set(words.map((word) => (word.startsWith("no") ? word.slice(2) : `no${word}`)));
  return [
    ...TMPFS_DEFAULTS.filter((word) => !opposites.has(word) && !words.includes(word)),
    ...words.filter((word) => word !== "defaults"),
  ];
}

/** A `VolumesFrom` entry: the container and whether its volumes come read-only. */
export function parseVolumesFrom(spec: string): { container: string; mode: "rw" | "ro" | undefined } {
  if (spec === "") throw new GantryError("invalid", "volumes-from specification cannot be an empty string");
  const at = spec.indexOf(":");
  if (at < 0) return { container: spec, mode: undefined };
  const mode = spec.slice(at + 1);
  const words = mode.split(",");
  if (!isMode(mode) || words.some((word) => PROPAGATIONS.has(word) || word === "nocopy"))
    throw new GantryError("invalid", `invalid mode: ${mode}`);
  return { container: spec.slice(0, at), mode: words.includes("ro") ? "ro" : words.includes("rw") ? "rw" : undefined };
}

/** Throws `invalid` for a name that the local driver refuses, in Docker's words. */
export function checkVolumeName(name: string): string {
  if (name.length === 1)
    throw new GantryError(
      "invalid",
      `create ${name}: volume name is too short, names should be at least two alphanumeric characters`,
    );
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,254}$/.test(name)) return name;
  throw new GantryError(
    "invalid",
    `create ${name}: ${JSON.stringify(name)} includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
  );
}

function cleanTarget(target: string, raw: string): string {
  if (cleanPath(target) === "/")
    throw new GantryError(
      "invalid",
      `invalid volume specification: '${raw}': invalid mount config for type "${raw.startsWith("/") && raw.includes(":") ? "bind" : "volume"}": invalid specification: destination can't be '/'`,
    );
  if (!posix.isAbsolute(target)) {
    throw new GantryError(
      "invalid",
      `invalid volume specification: '${raw}': invalid mount config for type "volume": invalid mount path: '${target}' mount path must be absolute`,
    );
  }
  return cleanPath(target);
}

/** Go's path.Clean: no trailing slash, no `.` and `..`. */
function cleanPath(path: string): string {
  const clean = posix.normalize(path);
  return clean.length > 1 && clean.endsWith("/") ? clean.slice(0, -1) : clean;
}

function isLocal(path: string): boolean {
  const clean = posix.normalize(path);
  return !posix.isAbsolute(path) && clean !== ".." && !clean.startsWith("../");
}

function invalidSpec(raw: string): GantryError {
  return new GantryError("invalid", `invalid volume specification: '${raw}'`);
}
