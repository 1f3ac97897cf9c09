import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, writeSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { errorText } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";

/** A volume as it is kept on disk: `<volumes>/<name>/volume.json` beside its `_data`. */
export interface VolumeRecord {
  readonly version: 1;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly createdAt: number;
  readonly anonymous: boolean;
  /** Of a plugin's volume: its name, where it said that the volume lies, and its scope. */
  readonly driver?: string;
  readonly mountpoint?: string;
  readonly scope?: string;
  /** The container that it was made for when it was created. */
  readonly madeFor?: string;
}

/** What is a name for a volume (moby, volume/local). */
export const VOLUME_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

const RECORD = "volume.json";
/** Volume names never begin so. */
const REMOVING = ".removing-";

export const dataDirectory = (root: string, name: string): string => join(root, name, "_data");

/** Makes the directory, then the record, which makes it a volume. */
export function writeVolume(root: string, record: VolumeRecord): void {
  const directory = join(root, record.name);
  mkdirSync(directory, { recursive: true, mode: 0o710 });
  mkdirSync(dataDirectory(root, record.name), { recursive: true, mode: 0o755 });
  const temporary = join(directory, `${RECORD}.new`);
  const fd = openSync(temporary, "w", 0o600);
  try {
    writeSync(fd, JSON.stringify(record));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, join(directory, RECORD));
}

/** Takes the name away at once, then deletes the files. */
export async function deleteVolume(root: string, name: string): Promise<void> {
  const doomed = join(root, `${REMOVING}${name}`);
  await rm(doomed, { recursive: true, force: true });
  renameSync(join(root, name), doomed);
  await rm(doomed, { recursive: true, force: true });
}

/** The volumes on disk. What an end in the middle of making or removing left is deleted; what cannot be read is left alone. */
export async function readVolumes(root: string, logger: Logger): Promise<VolumeRecord[]> {
  const records: VolumeRecord[] = [];
  for (const name of readdirSync(root)) {
    if (name.startsWith(REMOVING)) {
      await rm(join(root, name), { recursive: true, force: true });
      continue;
    }
    try {
      records.push(JSON.parse(readFileSync(join(root, name, RECORD), "utf8")) as VolumeRecord);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT")
        await rm(join(root, name), { recursive: true, force: true });
      else
        logger.error(
          { volume: name, error: errorText(error) },
          "volume record cannot be read; its files are left alone",
        );
    }
  }
  return records;
}
