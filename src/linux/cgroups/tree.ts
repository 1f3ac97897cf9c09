import { mkdirSync, readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { GantryError } from "#base/errors.ts";
import { readCgroupFile, writeCgroupFile } from "./files.ts";

/** Makes a version 1 directory and those above it. New ones in a cpuset inherit CPUs and nodes, without which nothing can join. */
export function makeDirectoryV1(mountpoint: string, path: string, isCpuset: boolean): string {
  let directory = mountpoint;
  for (const name of components(path)) {
    const above = directory;
    directory = join(above, name);
    const isNew = makeDirectory(directory);
    if (isNew && isCpuset) inheritCpuset(above, directory);
  }
  return directory;
}

/** Makes a version 2 directory and those above it, passing controllers down the way. */
export function makeDirectoryV2(mountpoint: string, path: string): string {
  let directory = mountpoint;
  for (const name of components(path)) {
    const above = directory;
    directory = join(above, name);
    if (makeDirectory(directory)) delegateControllers(above);
  }
  return directory;
}

/** Removes a cgroup directory and those below it; false when something in it still runs. */
export function removeDirectory(directory: string): boolean {
  try {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (entry.isDirectory() && !removeDirectory(join(directory, entry.name))) return false;
    }
    rmdirSync(directory);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return true;
    if (code === "EBUSY") return false;
    throw error;
  }
}

/** The processes in a cgroup and those below it. */
export function processesIn(directory: string): readonly number[] {
  const pids = (readCgroupFile(directory, "cgroup.procs") ?? "").split("\n").filter(Boolean).map(Number);
  return [...pids, ...childDirectories(directory).flatMap((child) => processesIn(child))];
}

function childDirectories(directory: string): readonly string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(directory, entry.name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

function components(path: string): readonly string[] {
  const names = path.split("/").filter((name) => name !== "");
  if (names.length === 0 || names.some((name) => name === "." || name === "..")) {
    throw new GantryError("invalid", `invalid cgroup path "${path}"`, { field: "cgroupsPath" });
  }
  return names;
}

function makeDirectory(directory: string): boolean {
  try {
    mkdirSync(directory, 0o755);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function inheritCpuset(above: string, directory: string): void {
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    const value = readCgroupFile(above, file)?.trim();
    if (value) writeCgroupFile(directory, file, value);
  }
}

/** A controller that cannot be passed on (one with processes of its own in the way) is left to the limit that needs it to say. */
function delegateControllers(directory: string): void {
  const enabled = new Set((readCgroupFile(directory, "cgroup.subtree_control") ?? "").split(/\s+/));
  for (const controller of (readCgroupFile(directory, "cgroup.controllers") ?? "").split(/\s+/).filter(Boolean)) {
    if (enabled.has(controller)) continue;
    try {
      writeCgroupFile(directory, "cgroup.subtree_control", `+${controller}`);
    } catch (error) {
      if (!(error instanceof GantryError)) throw error;
    }
  }
}
