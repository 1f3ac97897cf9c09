import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { GantryError } from "#base/errors.ts";
import type { OciSpec } from "#formats/oci-spec.ts";
import { openCgroup, type Cgroup } from "#linux/cgroups.ts";

/** What is kept of a container, in `<root>/<id>/state.json`; the process's id lies beside it, written by the launcher. */
export interface ContainerState {
  readonly id: string;
  readonly bundle: string;
  readonly rootfs: string;
  /** RFC 3339. */
  readonly created: string;
  readonly owner: string;
  readonly cgroupPath: string;
  readonly spec: OciSpec;
  /** The names of its launch's steps, for failures behind the start. */
  readonly steps: readonly string[];
}

export interface ContainerProcess {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: with the pid, names the process for good. */
  readonly startTicks: number;
}

export type Status = "creating" | "created" | "running" | "paused" | "stopped";

/** A container that a runtime command works on. */
export interface Container {
  readonly directory: string;
  readonly state: ContainerState;
  readonly cgroup: Cgroup;
  /** Undefined while it is being created. */
  readonly process: ContainerProcess | undefined;
  status(): Status;
}

const STATE_FILE = "state.json";
const PID_FILE = "pid";

/** As runc has it (libcontainer/factory_linux.go: validateID). Throws `invalid`. */
export function containerDirectory(root: string, id: string): string {
  if (id === "") throw new GantryError("invalid", "container id cannot be empty");
  if (!/^[\w+\-.]{1,1024}$/.test(id) || id === "." || id === "..")
    throw new GantryError("invalid", "invalid container ID format", { id });
  return join(root, id);
}

/** Takes the id: its directory is the intent. Throws `already-exists`. */
export function makeContainer(root: string, id: string): string {
  const directory = containerDirectory(root, id);
  mkdirSync(root, { recursive: true, mode: 0o700 });
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new GantryError("already-exists", "container with given ID already exists", { id });
  }
  return directory;
}

export function writeState(directory: string, state: ContainerState): void {
  const temporary = join(directory, `${STATE_FILE}.tmp`);
  writeFileSync(temporary, JSON.stringify(state), { mode: 0o600 });
  renameSync(temporary, join(directory, STATE_FILE));
}

export const pidFileOf = (directory: string): string => join(directory, PID_FILE);
export const startSocketOf = (directory: string): string => join(directory, "start.sock");

/** Throws `not-found` in runc's words. */
export function openContainer(root: string, id: string): Container {
  const directory = containerDirectory(root, id);
  const text = readText(join(directory, STATE_FILE));
  if (text === undefined) throw new GantryError("not-found", "container does not exist", { id });
  const state = JSON.parse(text) as ContainerState;
  const cgroup = openCgroup(state.cgroupPath);
  const process = readProcess(directory);
  return { directory, state, cgroup, process, status: () => statusOf(directory, cgroup, process) };
}

/** All below a root, by id. What is being made or removed at the moment is left out. */
export function allContainers(root: string): readonly Container[] {
  const names = existsSync(root) ? readdirSync(root).toSorted() : [];
  return names.flatMap((id) => (existsSync(join(root, id, STATE_FILE)) ? [openContainer(root, id)] : []));
}

export function forgetContainer(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
}

/** Throws `conflict` unless it is up. */
export function runningProcess(container: Container): ContainerProcess {
  const status = container.status();
  if (container.process && status !== "stopped" && status !== "creating") return container.process;
  throw new GantryError("conflict", "container not running", { id: container.state.id, status });
}

function readProcess(directory: string): ContainerProcess | undefined {
  const [pid, startTicks] = readText(join(directory, PID_FILE))?.split(" ").map(Number) ?? [];
  return pid && startTicks !== undefined ? { pid, startTicks } : undefined;
}

function statusOf(directory: string, cgroup: Cgroup, process: ContainerProcess | undefined): Status {
  if (!process) return "creating";
  if (!isAlive(process)) return "stopped";
  if (cgroup.isFrozen()) return "paused";
  return existsSync(startSocketOf(directory)) ? "created" : "running";
}

/** The same process still, and not a zombie. */
export function isAlive({ pid, startTicks }: ContainerProcess): boolean {
  const stat = readText(`/proc/${pid}/stat`);
  if (stat === undefined) return false;
  // The name before it may hold anything: fields are counted from its end.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] !== "Z" && fields[0] !== "X" && Number(fields[19]) === startTicks;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH" || code === "ENOTDIR") return undefined;
    throw error;
  }
}
