import { closeSync, fsyncSync, openSync, readdirSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { GantryError, errorText } from "#base/errors.ts";
import type { ContainerConfig, Health, MountPoint } from "../engine.ts";
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
 * Writes what has changed, so that a reader finds the old or the new, whatever happens to this process. `durable`: also whatever happens
 * to the machine; for what a user was told is there (created, renamed, updated), not for states that end with the machine anyway.
 */
export function writeRecord(
  directory: string,
  record: ContainerRecord,
  changed: readonly (keyof ContainerRecord)[],
  durable: boolean,
): void {
  if (changed.some((key) => !STATE_KEYS.has(key))) writeConfig(directory, record, durable);
  if (changed.some((key) => STATE_KEYS.has(key))) writeState(directory, record, record.sequence);
}

const STATE_KEYS: ReadonlySet<keyof ContainerRecord> = new Set(["state", "restartCount", "lastDelayMs", "stopped"]);

function writeConfig(directory: string, record: ContainerRecord, durable: boolean): void {
  const { version, id, name, config, createdAt, mounts, health } = record;
  const path = join(directory, CONFIG_FILE);
  const temporary = `${path}.new`;
  const fd = openSync(temporary, "w", 0o600);
  try {
    writeSync(fd, JSON.stringify({ version, id, name, config, createdAt, mounts, health }));
    if (durable) fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
  if (durable) syncDirectory(directory);
}

/** Makes names in a directory, and the directory's own, outlast the machine. */
function syncDirectory(directory: string): void {
  for (const path of [directory, dirname(directory)]) {
    const fd = openSync(path, "r");
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }
}

/** What lies in the containers' directory: records, and ids of containers whose making was cut short. */
export interface FoundRecords {
  readonly records: readonly ContainerRecord[];
  readonly unfinished: readonly string[];
  /** Records that cannot be read, and why. Nothing of theirs is touched. */
  readonly unreadable: readonly { readonly id: string; readonly reason: string }[];
}

export function readRecords(root: string): FoundRecords {
  const records: ContainerRecord[] = [];
  const unfinished: string[] = [];
  const unreadable: { id: string; reason: string }[] = [];
  for (const id of readdirSync(root)) {
    try {
      const record = readRecord(join(root, id));
      if (record) records.push(record);
      else unfinished.push(id);
    } catch (error) {
      unreadable.push({ id, reason: errorText(error) });
    }
  }
  return { records, unfinished, unreadable };
}

function readRecord(directory: string): ContainerRecord | undefined {
  let text: string;
  try {
    text = readFileSync(join(directory, CONFIG_FILE), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
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
