import { mkdirSync, readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { GantryError } from "#base/errors.ts";
import { readCgroupFile, writeCgroupFile } from "./files.ts";

/** Makes a version 1 directory and those above it. New ones in a cpuset inherit CPUs and nodes, without which nothing can join. */
export function makeDirectoryV1(mountpoint: string, path: string, isCpuset: boolean): void {
  makeDirectories(mountpoint, path, isCpuset ? inheritCpuset : () => undefined);
}

/** Makes a version 2 directory and those above it, passing controllers down the way. */
export function makeDirectoryV2(mountpoint: string, path: string): void {
  makeDirectories(mountpoint, path, delegateControllers);
}

/** From the lowest that is there downwards: those above are there for all but the first of many. */
function makeDirectories(mountpoint: string, path: string, made: (above: string, directory: string) => void): void {
  const names = components(path);
  const place = (depth: number): string => join(mountpoint, ...names.slice(0, depth));
  let depth = names.length;
  let outcome = makeDirectory(place(depth));
  while (outcome === "nothing above" && depth > 1) outcome = makeDirectory(place(--depth));
  for (; outcome !== "nothing above"; outcome = makeDirectory(place(depth))) {
    if (outcome === "made") made(place(depth - 1), place(depth));
    if (depth++ === names.length) return;
  }
  throw new GantryError("unavailable", `there is no cgroup hierarchy at ${mountpoint}`);
}

/** Removes a cgroup directory and those below it; false when something in it still runs. */
export function removeDirectory(directory: string): boolean {
  if (removeEmpty(directory)) return true;
  // With cgroups below it a directory is busy as well. Its many files are not read before that is known.
  const children = childDirectories(directory);
  return children.length > 0 && children.every(removeDirectory) && removeEmpty(directory);
}

function removeEmpty(directory: string): boolean {
  try {
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

function makeDirectory(directory: string): "made" | "there" | "nothing above" {
  try {
    mkdirSync(directory, 0o755);
    return "made";
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return "there";
    if (code === "ENOENT") return "nothing above";
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
