import { readFileSync } from "node:fs";
import { isSyscallError, mount as mountCall, umount2 } from "./syscalls.ts";

/** mount(2) flags (linux/mount.h). */
export const MS_RDONLY = 0x1;
export const MS_NOSUID = 0x2;
export const MS_NODEV = 0x4;
export const MS_NOEXEC = 0x8;
export const MS_REMOUNT = 0x20;
export const MS_NOATIME = 0x400;
export const MS_BIND = 0x1000;
export const MS_REC = 0x4000;
export const MS_UNBINDABLE = 0x20000;
export const MS_PRIVATE = 0x40000;
export const MS_SLAVE = 0x80000;
export const MS_SHARED = 0x100000;

export const MNT_DETACH = 2;

/** One line of /proc/PID/mountinfo; proc_pid_mountinfo(5). */
export interface MountInfo {
  readonly id: number;
  readonly parent: number;
  /** "major:minor" of what is mounted. */
  readonly device: string;
  /** The path within that file system which is mounted. */
  readonly root: string;
  readonly target: string;
  readonly options: readonly string[];
  /** "shared:N", "master:N", "propagate_from:N", "unbindable". */
  readonly propagation: readonly string[];
  readonly type: string;
  readonly source: string;
  readonly superOptions: readonly string[];
}

/** Mounts on the host. `flags` are MS_ constants, `data` the file system's own options. Throws SyscallError. */
export function mount(
  source: string,
  target: string,
  options: { readonly type?: string; readonly flags?: number; readonly data?: string } = {},
): void {
  mountCall(source, target, options.type ?? null, options.flags ?? 0, options.data ?? null);
}

/** Unmounts what is on top at `target`, lazily with MNT_DETACH; false when nothing is mounted there. Links are not followed. */
export function unmount(target: string, flags = MNT_DETACH): boolean {
  const UMOUNT_NOFOLLOW = 8;
  try {
    umount2(target, flags | UMOUNT_NOFOLLOW);
    return true;
  } catch (error) {
    if (isSyscallError(error, "EINVAL", "ENOENT")) return false;
    throw error;
  }
}

/** The mounts that a process sees, in order of mounting. */
export function readMounts(process: number | "self" = "self"): readonly MountInfo[] {
  return parseMountInfo(readFileSync(`/proc/${process}/mountinfo`, "utf8"));
}

/** The mount that `path` (absolute, without links) lies on: the longest target above it, the last one of those. */
export function mountOf(path: string, mounts: readonly MountInfo[] = readMounts()): MountInfo | undefined {
  let best: MountInfo | undefined;
  for (const mount of mounts) {
    const above = mount.target === "/" || path === mount.target || path.startsWith(`${mount.target}/`);
    if (above && mount.target.length >= (best?.target.length ?? 0)) best = mount;
  }
  return best;
}

/** Reads the text of a mountinfo file; lines that are not as the manual says are left out. */
export function parseMountInfo(text: string): readonly MountInfo[] {
  const mounts: MountInfo[] = [];
  for (const line of text.split("\n")) {
    const [left, right] = line.split(" - ");
    const [id, parent, device, root, target, options, ...propagation] = left?.split(" ") ?? [];
    const [type, source, superOptions] = right?.split(" ") ?? [];
    if (!device || !root || !target || !type || source === undefined) continue;
    mounts.push({
      id: Number(id),
      parent: Number(parent),
      device,
      root: unescapeOctal(root),
      target: unescapeOctal(target),
      options: options?.split(",") ?? [],
      propagation: propagation.filter((field) => field !== ""),
      type,
      source: unescapeOctal(source),
      superOptions: superOptions?.split(",") ?? [],
    });
  }
  return mounts;
}

/** Space, tab, newline and backslash are written as three octal digits. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
