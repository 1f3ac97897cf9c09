import { GantryError } from "#base/errors.ts";

/** What a mount's options say, apart from the file system's own. */
export interface MountOptions {
  /** MOUNT_ATTR_ bits to set and to clear on the mount itself. */
  readonly set: number;
  readonly clear: number;
  /** The same for the whole tree below it (rro, rnosuid, …). */
  readonly setBelow: number;
  readonly clearBelow: number;
  /** An MS_ propagation, with MS_REC for the tree; 0: as it comes. */
  readonly propagation: number;
  readonly bind: boolean;
  readonly recursive: boolean;
  /** The mount's ids are mapped: of itself, or of the whole tree. */
  readonly idMap: "idmap" | "ridmap" | undefined;
  /** A tmpfs begins with what it covers. */
  readonly copyUp: boolean;
  /** Options of the file system ("size=64k"), and flags of its superblock ("sync"). */
  readonly data: readonly string[];
}

/** struct mount_attr (linux/mount.h). */
export const MOUNT_ATTR_RDONLY = 0x1;
const NOSUID = 0x2;
const NODEV = 0x4;
const NOEXEC = 0x8;
const NOATIME = 0x10;
const STRICTATIME = 0x20;
const NODIRATIME = 0x80;
const NOSYMFOLLOW = 0x200000;
/** The three atime modes are one field, which is cleared to set any of them. */
const ATIME_FIELD = 0x70;

const MS_REC = 0x4000;
const PROPAGATIONS: Readonly<Record<string, number>> = {
  unbindable: 0x20000,
  private: 0x40000,
  slave: 0x80000,
  shared: 0x100000,
};

/** OCI runtime-spec config.md, "Linux mount options": what each sets and clears. */
const ATTRIBUTES: Readonly<Record<string, { readonly set?: number; readonly clear?: number }>> = {
  ro: { set: MOUNT_ATTR_RDONLY },
  rw: { clear: MOUNT_ATTR_RDONLY },
  nosuid: { set: NOSUID },
  suid: { clear: NOSUID },
  nodev: { set: NODEV },
  dev: { clear: NODEV },
  noexec: { set: NOEXEC },
  exec: { clear: NOEXEC },
  noatime: { set: NOATIME, clear: ATIME_FIELD },
  atime: { clear: ATIME_FIELD },
  relatime: { clear: ATIME_FIELD },
  norelatime: { set: STRICTATIME, clear: ATIME_FIELD },
  strictatime: { set: STRICTATIME, clear: ATIME_FIELD },
  nostrictatime: { clear: ATIME_FIELD },
  nodiratime: { set: NODIRATIME },
  diratime: { clear: NODIRATIME },
  nosymfollow: { set: NOSYMFOLLOW },
  symfollow: { clear: NOSYMFOLLOW },
};

/** Flags of a superblock that are set by name; a bind has no superblock of its own, so there they say nothing. */
const SUPERBLOCK_FLAGS: ReadonlySet<string> = new Set(["sync", "dirsync", "lazytime", "mand"]);
/** Said for completeness, or long without meaning in the kernel. */
const IGNORED: ReadonlySet<string> = new Set([
  "defaults",
  "async",
  "nolazytime",
  "nomand",
  "silent",
  "loud",
  "acl",
  "noacl",
  "iversion",
  "noiversion",
]);
const REFUSED: ReadonlySet<string> = new Set(["remount"]);

/** The options that have a meaning of their own here; others go to the file system. */
export const MOUNT_OPTIONS: readonly string[] = [
  ...Object.keys(ATTRIBUTES).flatMap((name) => [name, `r${name}`]),
  ...Object.keys(PROPAGATIONS).flatMap((name) => [name, `r${name}`]),
  ...SUPERBLOCK_FLAGS,
  ...IGNORED,
  "bind",
  "rbind",
  "idmap",
  "ridmap",
  "tmpcopyup",
].toSorted();

/** Reads OCI mount options; of opposites the last one counts. Throws `unsupported` for those that Gantry does not do. */
export function parseMountOptions(options: readonly string[], destination: string): MountOptions {
  const own = bits();
  const below = bits();
  const data: string[] = [];
  let [propagation, bind, recursive] = [0, false, false];
  let idMap: MountOptions["idMap"];
  let copyUp = false;
  for (const option of options) {
    const inner = option.startsWith("r") ? option.slice(1) : "";
    if (REFUSED.has(option)) throw unsupported(option, destination);
    else if (IGNORED.has(option)) continue;
    else if (option === "tmpcopyup") copyUp = true;
    else if (option === "idmap" || option === "ridmap") idMap = option;
    else if (option === "bind" || option === "rbind") [bind, recursive] = [true, option === "rbind"];
    else if (PROPAGATIONS[option] !== undefined) propagation = PROPAGATIONS[option];
    else if (PROPAGATIONS[inner] !== undefined) propagation = PROPAGATIONS[inner] | MS_REC;
    else if (ATTRIBUTES[option]) own.add(ATTRIBUTES[option]);
    else if (ATTRIBUTES[inner]) below.add(ATTRIBUTES[inner]);
    else data.push(option);
  }
  return {
    ...own.value(),
    setBelow: below.value().set,
    clearBelow: below.value().clear,
    propagation,
    bind,
    recursive,
    idMap,
    copyUp,
    data,
  };
}

/** The superblock flags among a bind's options are dropped; anything else left over is not an option of a bind. */
export function refuseBindData({ data }: MountOptions, destination: string): void {
  const left = data.find((option) => !SUPERBLOCK_FLAGS.has(option));
  if (left !== undefined) throw unsupported(left, destination);
}

function bits(): { add(change: { set?: number; clear?: number }): void; value(): { set: number; clear: number } } {
  let [set, clear] = [0, 0];
  return {
    add(change) {
      const [setting, clearing] = [change.set ?? 0, change.clear ?? 0];
      set = (set & ~clearing) | setting;
      clear = (clear & ~setting) | clearing;
    },
    value: () => ({ set, clear }),
  };
}

function unsupported(option: string, destination: string): GantryError {
  return new GantryError("unsupported", `mount ${destination}: option ${JSON.stringify(option)} is not supported`, {
    field: "mounts.options",
    option,
  });
}
