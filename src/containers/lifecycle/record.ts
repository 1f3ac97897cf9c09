import { closeSync, fsyncSync, openSync, readdirSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { GantryError, errorText } from "#base/errors.ts";
import type { ContainerConfig, Health, MountPoint } from "../engine.ts";
import type { RecordState } from "./state.ts";

/** A container as it is kept on disk: `<data>/containers/<id>/config.json`, replaced as a whole at each change. */
export interface ContainerRecord {
  readonly version: 1;
  readonly id: string;
  readonly name: string;
  readonly config: ContainerConfig;
  readonly createdAt: number;
  readonly state: RecordState;
  /** Restarts by the policy since a user started it. */
  readonly restartCount: number;
  /** The delay before the last of them. */
  readonly lastDelayMs: number;
  /** A user stopped or killed the last run. */
  readonly stopped: boolean;
  readonly mounts: readonly MountPoint[];
  readonly health?: Health;
}

const FILE_NAME = "config.json";

/**
 * Writes a record so that a reader finds the old or the new one, whatever happens to this process. `durable`: also whatever happens to
 * the machine; for what a user was told is there (created, renamed, updated), not for states that end with the machine anyway.
 */
export function writeRecord(directory: string, record: ContainerRecord, durable: boolean): void {
  const path = join(directory, FILE_NAME);
  const temporary = `${path}.new`;
  const fd = openSync(temporary, "w", 0o600);
  try {
    writeSync(fd, JSON.stringify(record));
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
    text = readFileSync(join(directory, FILE_NAME), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const record = JSON.parse(text) as ContainerRecord;
  if (record.version !== 1)
    throw new GantryError("unsupported", `record of version ${String(record.version)}, this Gantry reads version 1`);
  return record;
}
