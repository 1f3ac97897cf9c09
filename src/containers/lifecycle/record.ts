import { closeSync, fsync, openSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { GantryError, errorText } from "#base/errors.ts";
import type { ContainerConfig, Health, MountPoint } from "../engine.ts";
import { REMOVED } from "./places.ts";
import { readState, writeState, type StateRecord } from "./state-file.ts";

/** A container as it is kept on disk: what it is in `config.json`, how it stands in `state`. */
export interface ContainerRecord extends StateRecord {
  readonly version: 1;
  readonly id: string;
  readonly name: string;
  readonly config: ContainerConfig;
  readonly createdAt: number;
  readonly mounts: readonly MountPoint[];
  readonly health?: Health;
  /** Of the state on disk. */
  readonly sequence: number;
}

const CONFIG_FILE = "config.json";

/**
 * Writes what has changed, so that a reader finds the old or the new, whatever happens to this process. Not for what must outlast the
 * machine: see writeConfigDurably.
 */
export function writeRecord(
  directory: string,
  record: ContainerRecord,
  changed: readonly (keyof ContainerRecord)[],
): void {
  if (changed.some((key) => !STATE_KEYS.has(key))) {
    writeFileSync(temporaryIn(directory), configText(record), { mode: 0o600 });
    renameSync(temporaryIn(directory), join(directory, CONFIG_FILE));
  }
  if (changed.some((key) => STATE_KEYS.has(key))) writeState(directory, record, record.sequence);
}

const STATE_KEYS: ReadonlySet<keyof ContainerRecord> = new Set(["state", "restartCount", "lastDelayMs", "stopped"]);

const temporaryIn = (directory: string): string => join(directory, `${CONFIG_FILE}.new`);

function configText({ version, id, name, config, createdAt, mounts, health }: ContainerRecord): string {
  return JSON.stringify({ version, id, name, config, createdAt, mounts, health });
}

/**
 * Writes what a container is so that it outlasts the machine: for what a user is told is there (created, renamed, updated). Disks take
 * their time; nobody else has to wait. A `first` record replaces nothing, so that all goes to the disk at once: what a machine that fails
 * meanwhile leaves of it is an empty file, which stands for a creation that was never answered.
 */
export async function writeConfigDurably(directory: string, record: ContainerRecord, first: boolean): Promise<void> {
  const fd = openSync(temporaryIn(directory), "w", 0o600);
  try {
    writeFileSync(fd, configText(record));
    if (!first) await sync(fd);
    renameSync(temporaryIn(directory), join(directory, CONFIG_FILE));
    // Its name in the directory, and the directory's own.
    await Promise.all([first && sync(fd), syncDirectory(directory), syncDirectory(dirname(directory))]);
  } finally {
    closeSync(fd);
  }
}

const sync = promisify(fsync);

async function syncDirectory(path: string): Promise<void> {
  const fd = openSync(path, "r");
  try {
    await sync(fd);
  } finally {
    closeSync(fd);
  }
}

/** What lies in the containers' directory: records, and ids of containers whose making was cut short. */
export interface FoundRecords {
  readonly records: readonly ContainerRecord[];
  readonly unfinished: readonly string[];
  /** Names of directories whose containers have been removed. */
  readonly removed: readonly string[];
  /** Records that cannot be read, and why. Nothing of theirs is touched. */
  readonly unreadable: readonly { readonly id: string; readonly reason: string }[];
}

export function readRecords(root: string): FoundRecords {
  const records: ContainerRecord[] = [];
  const unfinished: string[] = [];
  const removed: string[] = [];
  const unreadable: { id: string; reason: string }[] = [];
  for (const id of readdirSync(root)) {
    if (id.startsWith(REMOVED)) {
      removed.push(id);
      continue;
    }
    try {
      const record = readRecord(join(root, id));
      if (record) records.push(record);
      else unfinished.push(id);
    } catch (error) {
      unreadable.push({ id, reason: errorText(error) });
    }
  }
  return { records, unfinished, removed, unreadable };
}

function readRecord(directory: string): ContainerRecord | undefined {
  let text: string;
  try {
    text = readFileSync(join(directory, CONFIG_FILE), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  if (text === "") return undefined;
  const record = JSON.parse(text) as ContainerRecord;
  if (record.version !== 1)
    throw new GantryError("unsupported", `record of version ${String(record.version)}, this Gantry reads version 1`);
  return { ...record, ...(readState(directory) ?? NEVER_STARTED) };
}

/** How a container stands that has only been created. */
export const NEVER_STARTED: StateRecord & { readonly sequence: number } = {
  state: { status: "created" },
  restartCount: 0,
  lastDelayMs: 0,
  stopped: false,
  sequence: 0,
};
