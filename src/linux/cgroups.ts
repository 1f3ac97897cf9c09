import { statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { GantryError } from "#base/errors.ts";
import type { OciResources } from "#formats/oci-spec.ts";
import { applyV1 } from "./cgroups/apply-v1.ts";
import { applyV2 } from "./cgroups/apply-v2.ts";
import { readCgroupFile, writeCgroupFile } from "./cgroups/files.ts";
import { cgroupLayout, type CgroupLayout } from "./cgroups/layout.ts";
import { readStatsV1, readStatsV2, type CgroupStats } from "./cgroups/stats.ts";
import { makeDirectoryV1, makeDirectoryV2, processesIn, removeDirectory } from "./cgroups/tree.ts";
import { isSyscallError, kill } from "./syscalls.ts";

export type { CgroupLayout } from "./cgroups/layout.ts";
export type { CgroupStats } from "./cgroups/stats.ts";
export { cgroupLayout } from "./cgroups/layout.ts";

/** A cgroup on every hierarchy of the machine. */
export interface Cgroup {
  /** Below each hierarchy's mount point: "/docker/<id>". */
  readonly path: string;
  readonly layout: CgroupLayout;
  /** The files that a process's id is written to so that it joins, one per hierarchy. */
  readonly procsFiles: readonly string[];
  /** Where out-of-memory kills are told; undefined without a memory controller. */
  readonly memory: { readonly directory: string; readonly version: 1 | 2 } | undefined;
  /** The directory of a controller ("memory", "devices"); undefined when the machine has none. */
  directory(controller: string): string | undefined;
  /**
   * Writes limits. A field left out, or zero, stays as it is. Throws `unsupported` when the kernel cannot keep one, `invalid`
   * when it refuses the value.
   */
  apply(resources: OciResources): void;
  stats(): CgroupStats;
  /** Processes in it and below, as the host numbers them. */
  pids(): readonly number[];
  /** Stops every process until `thaw`; resolves when all have stopped, throws `timeout` after a second. */
  freeze(): Promise<void>;
  isFrozen(): boolean;
  thaw(): void;
  /** Kills every process in it and below, again until none is left; throws `timeout` after ten seconds. */
  kill(): Promise<void>;
  /** Removes its directories and those below; what still runs gets a second to be gone, then `conflict` is thrown. */
  remove(): Promise<void>;
}

/** Makes the cgroup `path` (and those above it) on every hierarchy, and writes its limits. When a limit fails, what was made is removed. */
export function createCgroup(
  path: string,
  resources: OciResources = {},
  layout: CgroupLayout = cgroupLayout(),
): Cgroup {
  for (const { mountpoint, controllers } of layout.hierarchies) {
    makeDirectoryV1(mountpoint, path, controllers.includes("cpuset"));
  }
  if (layout.unified) makeDirectoryV2(layout.unified.mountpoint, path);
  const cgroup = openCgroup(path, layout);
  try {
    cgroup.apply(resources);
  } catch (error) {
    for (const directory of directoriesOf(path, layout)) removeDirectory(directory);
    throw error;
  }
  return cgroup;
}

/** A cgroup that exists, or may. */
export function openCgroup(path: string, layout: CgroupLayout = cgroupLayout()): Cgroup {
  const unified = layout.unified && join(layout.unified.mountpoint, path);
  const find = (controller: string): string | undefined => directoryOf(controller, path, layout);
  const memory = find("memory");
  const directories = directoriesOf(path, layout);
  return {
    path,
    layout,
    procsFiles: directories.map((directory) => join(directory, "cgroup.procs")),
    memory: memory === undefined ? undefined : { directory: memory, version: memory === unified ? 2 : 1 },
    directory: find,
    apply: (resources) => apply(resources, path, layout),
    stats: () => (layout.mode === "v2" && unified ? readStatsV2(unified) : readStatsV1(find)),
    pids: () => processesIn(pidsDirectory(path, layout)),
    freeze: () => freeze(find("freezer"), unified, layout),
    isFrozen: () => isFrozen(find("freezer"), unified, layout),
    thaw: () => thaw(find("freezer"), unified, layout),
    kill: () => killAll(path, layout),
    remove: () => removeAll(directories),
  };
}

/** The directories that a path has, one for each hierarchy. */
function directoriesOf(path: string, layout: CgroupLayout): readonly string[] {
  const directories = layout.hierarchies.map(({ mountpoint }) => join(mountpoint, path));
  return layout.unified ? [...directories, join(layout.unified.mountpoint, path)] : directories;
}

function directoryOf(controller: string, path: string, layout: CgroupLayout): string | undefined {
  const hierarchy = layout.hierarchies.find(({ controllers }) => controllers.includes(controller));
  if (hierarchy) return join(hierarchy.mountpoint, path);
  const { unified } = layout;
  // Version 2 guards devices, freezes and counts CPU time in every cgroup, without a controller.
  const builtIn = layout.mode === "v2" && ["devices", "freezer", "cpuacct"].includes(controller);
  return unified && (builtIn || unified.controllers.includes(controller)) ? join(unified.mountpoint, path) : undefined;
}

function apply(resources: OciResources, path: string, layout: CgroupLayout): void {
  if (layout.mode === "v2" && layout.unified) return applyV2(resources, join(layout.unified.mountpoint, path));
  applyV1(resources, (controller, wanted) => {
    const directory = directoryOf(controller, path, layout);
    if (directory !== undefined) return directory;
    throw new GantryError("unsupported", `${wanted}: this machine has no ${controller} cgroup controller`, {
      controller,
    });
  });
}

/** All hierarchies hold the same processes; the version 2 tree is the one that every process is in. */
function pidsDirectory(path: string, layout: CgroupLayout): string {
  const directory = layout.unified ? join(layout.unified.mountpoint, path) : directoriesOf(path, layout)[0];
  if (directory === undefined) throw new GantryError("unavailable", "no cgroup hierarchy is mounted on this machine");
  return directory;
}

/** How often, and how long apart, a state that the kernel reaches by itself is asked for. */
const STATE_CHECKS = 100;
const STATE_CHECK_MS = 10;

async function freeze(freezer: string | undefined, unified: string | undefined, layout: CgroupLayout): Promise<void> {
  const directory = layout.mode === "v2" ? unified : freezer;
  if (directory === undefined) throw new GantryError("unsupported", "this machine has no freezer cgroup controller");
  if (layout.mode === "v2") writeCgroupFile(directory, "cgroup.freeze", 1);
  for (let check = 0; check < STATE_CHECKS; check++) {
    // Version 1 may miss a process that was just born, and then wants the order again (freezer-subsystem.rst).
    if (layout.mode !== "v2") writeCgroupFile(directory, "freezer.state", "FROZEN");
    if (isFrozen(freezer, unified, layout)) return;
    await delay(STATE_CHECK_MS);
  }
  thaw(freezer, unified, layout);
  throw new GantryError("timeout", "the processes of the cgroup could not be frozen");
}

function isFrozen(freezer: string | undefined, unified: string | undefined, { mode }: CgroupLayout): boolean {
  if (mode === "v2" && unified !== undefined) return /^frozen 1$/m.test(readCgroupFile(unified, "cgroup.events") ?? "");
  return freezer !== undefined && readCgroupFile(freezer, "freezer.state")?.trim() === "FROZEN";
}

function thaw(freezer: string | undefined, unified: string | undefined, layout: CgroupLayout): void {
  if (layout.mode === "v2" && unified !== undefined) writeCgroupFile(unified, "cgroup.freeze", 0);
  else if (freezer !== undefined) writeCgroupFile(freezer, "freezer.state", "THAWED");
}

const SIGKILL = 9;
const KILL_ROUNDS = 1000;

async function killAll(path: string, layout: CgroupLayout): Promise<void> {
  const directory = pidsDirectory(path, layout);
  const freezer = directoryOf("freezer", path, layout);
  for (let round = 0; round < KILL_ROUNDS; round++) {
    const pids = processesIn(directory);
    if (pids.length === 0) return;
    if (layout.unified && statSync(join(directory, "cgroup.kill"), { throwIfNoEntry: false })) {
      writeCgroupFile(directory, "cgroup.kill", 1);
    } else {
      for (const pid of pids) killOne(pid);
    }
    // What is frozen in version 1 dies only when it thaws.
    if (
      layout.mode !== "v2" &&
      freezer !== undefined &&
      readCgroupFile(freezer, "freezer.state")?.trim() !== "THAWED"
    ) {
      writeCgroupFile(freezer, "freezer.state", "THAWED");
    }
    await delay(STATE_CHECK_MS);
  }
  throw new GantryError("timeout", `processes of the cgroup ${path} do not end`);
}

function killOne(pid: number): void {
  try {
    kill(pid, SIGKILL);
  } catch (error) {
    if (!isSyscallError(error, "ESRCH")) throw error;
  }
}

/** The kernel lets a cgroup go a moment after its last process has ended, and tells nobody. */
async function removeAll(directories: readonly string[]): Promise<void> {
  let left = directories;
  for (let check = 0; check < STATE_CHECKS; check++) {
    left = left.filter((directory) => !removeDirectory(directory));
    if (left.length === 0) return;
    await delay(STATE_CHECK_MS);
  }
  throw new GantryError("conflict", `cgroup ${left[0]} is in use`);
}
