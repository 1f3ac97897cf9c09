import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readMounts, type MountInfo } from "../mounts.ts";

/** How cgroups are mounted on this machine, and where our own place in each tree is. */
export interface CgroupLayout {
  /** "hybrid": controllers on version 1, and a version 2 tree beside them. */
  readonly mode: "v1" | "v2" | "hybrid";
  /** Version 1 hierarchies in order of mounting; empty in mode v2. */
  readonly hierarchies: readonly CgroupHierarchy[];
  /** The version 2 tree. */
  readonly unified?: { readonly mountpoint: string; readonly controllers: readonly string[] };
}

export interface CgroupHierarchy {
  readonly mountpoint: string;
  /** "memory"; "cpu" and "cpuacct" when mounted together; "name=systemd". */
  readonly controllers: readonly string[];
}

let detected: CgroupLayout | undefined;

/** The machine's layout, read once. */
export function cgroupLayout(): CgroupLayout {
  detected ??= layoutOf(readMounts(), (mountpoint) =>
    existsSync(join(mountpoint, "cgroup.controllers"))
      ? readFileSync(join(mountpoint, "cgroup.controllers"), "utf8").split(/\s+/).filter(Boolean)
      : [],
  );
  return detected;
}

/** The layout that a table of mounts shows; the first mount of a hierarchy counts. */
export function layoutOf(
  mounts: readonly MountInfo[],
  unifiedControllers: (mountpoint: string) => readonly string[],
): CgroupLayout {
  const hierarchies: CgroupHierarchy[] = [];
  const seen = new Set<string>();
  for (const mount of mounts) {
    if (mount.type !== "cgroup") continue;
    const controllers = mount.superOptions.filter(
      (option) => !GENERIC_OPTIONS.has(option) && !option.startsWith("release_agent="),
    );
    if (controllers.length === 0 || controllers.some((controller) => seen.has(controller))) continue;
    for (const controller of controllers) seen.add(controller);
    hierarchies.push({ mountpoint: mount.target, controllers });
  }
  const tree = mounts.find((mount) => mount.type === "cgroup2");
  const unified = tree && { mountpoint: tree.target, controllers: unifiedControllers(tree.target) };
  const mode = hierarchies.length === 0 ? "v2" : unified ? "hybrid" : "v1";
  return { mode, hierarchies, ...(unified && { unified }) };
}

const GENERIC_OPTIONS: ReadonlySet<string> = new Set([
  "rw",
  "ro",
  "xattr",
  "noprefix",
  "clone_children",
  "favordynmods",
  "nsdelegate",
]);

/** Where a controller is: its version, and the mount point of its tree. */
export function controllerRoot(
  layout: CgroupLayout,
  controller: string,
): { readonly version: 1 | 2; readonly mountpoint: string } | undefined {
  const hierarchy = layout.hierarchies.find(({ controllers }) => controllers.includes(controller));
  if (hierarchy) return { version: 1, mountpoint: hierarchy.mountpoint };
  if (layout.unified?.controllers.includes(controller)) return { version: 2, mountpoint: layout.unified.mountpoint };
  return undefined;
}
