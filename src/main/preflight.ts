import { existsSync, readFileSync } from "node:fs";
import { GantryError } from "#base/errors.ts";
import { socketPathsFit } from "#base/places.ts";
import type { UpOptions } from "#cli/ports.ts";

/** What a host must bring. Everything missing is named at once, each with the way out. */
export function preflight(options: UpOptions): void {
  if (process.platform !== "linux")
    throw new GantryError("unsupported", `Gantry runs on Linux; this is ${process.platform}`);
  if (process.getuid?.() !== 0)
    throw new GantryError("forbidden", "Gantry needs root to make namespaces and cgroups: run 'sudo npx gantry up'");
  if (!socketPathsFit(options.places))
    throw new GantryError(
      "invalid",
      `the root ${options.root} is too long for a Unix socket's path (107 bytes): choose a shorter --root`,
    );
  const missing = missingKernelFeatures(readText("/proc/filesystems"), existsSync);
  if (missing.length > 0)
    throw new GantryError(
      "unavailable",
      `this host lacks what Gantry needs:\n${missing.map((line) => `  - ${line}`).join("\n")}`,
    );
}

/** Pure: the features that `/proc/filesystems` and the presence of files tell of. */
export function missingKernelFeatures(filesystems: string, exists: (path: string) => boolean): string[] {
  const missing: string[] = [];
  const knows = (name: string): boolean =>
    filesystems.split("\n").some((line) => line.trim().split(/\s+/).at(-1) === name);
  if (!knows("overlay"))
    missing.push("overlayfs: load it with 'modprobe overlay', or build the kernel with CONFIG_OVERLAY_FS");
  if (!knows("cgroup2") && !knows("cgroup")) missing.push("control groups: build the kernel with CONFIG_CGROUPS");
  else if (
    !exists("/sys/fs/cgroup/cgroup.controllers") &&
    !exists("/sys/fs/cgroup/memory") &&
    !exists("/sys/fs/cgroup/unified")
  )
    missing.push("a mounted cgroup hierarchy: mount one with 'mount -t cgroup2 none /sys/fs/cgroup'");
  for (const [file, option] of Object.entries({
    net: "CONFIG_NET_NS",
    pid: "CONFIG_PID_NS",
    ipc: "CONFIG_IPC_NS",
    uts: "CONFIG_UTS_NS",
    mnt: "CONFIG_NAMESPACES",
  })) {
    if (!exists(`/proc/self/ns/${file}`)) missing.push(`${file} namespaces: build the kernel with ${option}`);
  }
  return missing;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
