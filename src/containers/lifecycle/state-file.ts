import { closeSync, constants, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { GantryError } from "#base/errors.ts";
import type { RecordState } from "./state.ts";

/** The part of a container's record that changes as it runs. */
export interface StateRecord {
  readonly state: RecordState;
  /** Restarts by the policy since a user started it. */
  readonly restartCount: number;
  /** The delay before the last of them. */
  readonly lastDelayMs: number;
  /** A user stopped or killed the last run. */
  readonly stopped: boolean;
}

/*
 * `<data>/containers/<id>/state`: two slots, written in turn, the newer sound one counts. A transition costs one write of a few hundred
 * bytes, where replacing a file costs a flush of its data (ext4, auto_da_alloc); a write torn by the machine's end spoils one slot only.
 */
const FILE_NAME = "state";
const SLOT_BYTES = 4096;
/** Enough for any reason; the whole record must fit its slot. */
const LONGEST_ERROR = 1500;

export function writeState(directory: string, record: StateRecord, sequence: number): void {
  const { state, restartCount, lastDelayMs, stopped } = record;
  const json = JSON.stringify({ sequence, state, restartCount, lastDelayMs, stopped }, shortErrors);
  const line = Buffer.from(`${crc32(json)} ${json}\n`);
  if (line.length > SLOT_BYTES) throw new GantryError("internal", `container state of ${line.length} bytes`);
  const fd = openSync(join(directory, FILE_NAME), constants.O_WRONLY | constants.O_CREAT, 0o600);
  try {
    writeSync(fd, line, 0, line.length, (sequence % 2) * SLOT_BYTES);
  } finally {
    closeSync(fd);
  }
}

/** The newest sound record; undefined when there is none: the container has only been created. */
export function readState(directory: string): (StateRecord & { readonly sequence: number }) | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(join(directory, FILE_NAME));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const slots = [readSlot(bytes.subarray(0, SLOT_BYTES)), readSlot(bytes.subarray(SLOT_BYTES))];
  return slots.filter((slot) => slot !== undefined).sort((a, b) => b.sequence - a.sequence)[0];
}

function readSlot(bytes: Buffer): (StateRecord & { sequence: number }) | undefined {
  const match = /^(\d+) (.*)\n/.exec(bytes.toString("utf8"));
  const [, sum, json = ""] = match ?? [];
  if (sum === undefined || crc32(json) !== Number(sum)) return undefined;
  return JSON.parse(json) as StateRecord & { sequence: number };
}

function shortErrors(key: string, value: unknown): unknown {
  return key === "error" && typeof value === "string" ? value.slice(0, LONGEST_ERROR) : value;
}
