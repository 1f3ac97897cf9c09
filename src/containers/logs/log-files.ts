import { randomUUID } from "node:crypto";
import { constants, createWriteStream } from "node:fs";
import { open, rm, type FileHandle } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";

/** One file of a rotated log: `path` is the newest, `path.1` the one before, and so on. */
export interface LogFile {
  readonly handle: FileHandle;
  readonly inode: bigint;
}

/**
 * Opens a log's files, oldest first, down to (and without) the one with inode `after`. Opened from the newest to the oldest, so that a
 * rotation meanwhile shows a file twice rather than not at all; twins are left out. The caller closes them.
 */
export async function openLogFiles(path: string, maxFiles: number, after?: bigint): Promise<LogFile[]> {
  const files: LogFile[] = [];
  try {
    for (let number = 0; number < Math.max(1, maxFiles) + 1; number++) {
      const file = await openLogFile(number === 0 ? path : `${path}.${number}`, number > 0);
      if (!file) break;
      const known = file.inode === after || files.some((other) => other.inode === file.inode);
      if (!known) files.unshift(file);
      else await file.handle.close();
      if (file.inode === after) break;
    }
    return files;
  } catch (error) {
    await closeLogFiles(files);
    throw error;
  }
}

export async function closeLogFiles(files: readonly LogFile[]): Promise<void> {
  await Promise.all(files.map((file) => file.handle.close()));
}

async function openLogFile(path: string, rotated: boolean): Promise<LogFile | undefined> {
  const handle = await openUnlessMissing(path);
  if (!handle) return rotated ? openCompressed(`${path}.gz`) : undefined;
  const { ino } = await handle.stat({ bigint: true });
  return { handle, inode: ino };
}

/** A compressed file is read from a copy without a name, so that any place in it can be sought. */
async function openCompressed(path: string): Promise<LogFile | undefined> {
  const compressed = await openUnlessMissing(path);
  if (!compressed) return undefined;
  try {
    const { ino } = await compressed.stat({ bigint: true });
    const copy = `${path}.${randomUUID()}`;
    const handle = await open(copy, "wx+", 0o600);
    await rm(copy);
    const out = createWriteStream("", { fd: handle.fd, autoClose: false });
    await pipeline(compressed.createReadStream({ autoClose: false }), createGunzip(), out);
    return { handle, inode: ino };
  } finally {
    await compressed.close();
  }
}

async function openUnlessMissing(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

const BLOCK_BYTES = 65_536;
const NEWLINE = 0x0a;

/** Where reading starts for the last `lines` lines: which of the files (oldest first), and at which byte of it. */
export async function tailPosition(
  files: readonly LogFile[],
  lines: number,
): Promise<{ readonly index: number; readonly offset: number }> {
  let left = lines;
  for (let index = files.length - 1; index >= 0; index--) {
    const found = await linesFromEnd(files[index] as LogFile, left);
    if (found.offset !== undefined) return { index, offset: found.offset };
    left -= found.lines;
  }
  return { index: 0, offset: 0 };
}

/** The byte after which `wanted` whole lines remain, or how many lines the file has when they are fewer. */
async function linesFromEnd(file: LogFile, wanted: number): Promise<{ offset?: number; lines: number }> {
  const block = Buffer.allocUnsafe(BLOCK_BYTES);
  let { size: end } = await file.handle.stat();
  let newlines = 0;
  while (end > 0) {
    const start = Math.max(0, end - BLOCK_BYTES);
    const { bytesRead } = await file.handle.read(block, 0, end - start, start);
    const bytes = block.subarray(0, bytesRead);
    for (let at = bytes.lastIndexOf(NEWLINE); at >= 0; at = at === 0 ? -1 : bytes.lastIndexOf(NEWLINE, at - 1)) {
      newlines++;
      if (newlines > wanted) return { offset: start + at + 1, lines: wanted };
    }
    end = start;
  }
  return newlines === wanted ? { offset: 0, lines: newlines } : { lines: newlines };
}
