import { Buffer } from "node:buffer";
import type { LogPosition } from "#linux/shim.ts";
import { closeLogFiles, openLogFiles, tailPosition, type LogFile } from "./log-files.ts";
import type { LogFormatter } from "./log-format.ts";

/** A place in a log that moves on through its files, over rotations and truncation. */
export interface LogCursor {
  /** Formats everything from here to the end. */
  read(formatter: LogFormatter): AsyncGenerator<Buffer, void>;
  close(): Promise<void>;
}

export const PIECE_BYTES = 256 * 1024;

/** Stands at the beginning, or before the last `tail` lines. With `end` it never goes beyond that place. */
export async function openLogCursor(
  path: string,
  maxFiles: number,
  tail: number | undefined,
  end?: LogPosition,
): Promise<LogCursor> {
  let ahead = await openLogFiles(path, maxFiles);
  let current: LogFile | undefined;
  let offset = 0;
  if (tail !== undefined && ahead.length > 0) {
    const position = await tailPosition(ahead, tail);
    await closeLogFiles(ahead.slice(0, position.index));
    ahead = ahead.slice(position.index);
    current = ahead.shift();
    offset = position.offset;
  }
  const piece = Buffer.allocUnsafe(PIECE_BYTES);

  async function* drain(formatter: LogFormatter): AsyncGenerator<Buffer, void> {
    while (current) {
      const left = current.inode === end?.inode ? end.size - offset : PIECE_BYTES;
      if (left <= 0) return;
      const { bytesRead } = await current.handle.read(piece, 0, Math.min(left, PIECE_BYTES), offset);
      if (bytesRead === 0) return;
      offset += bytesRead;
      const out = formatter.push(piece.subarray(0, bytesRead));
      if (out.length > 0) yield out;
      if (formatter.finished) return;
    }
  }

  async function* drainAll(formatter: LogFormatter): AsyncGenerator<Buffer, void> {
    yield* drain(formatter);
    while (!formatter.finished && (end === undefined || current?.inode !== end.inode)) {
      const next = ahead.shift();
      if (!next) return;
      await current?.handle.close();
      current = next;
      offset = 0;
      yield* drain(formatter);
    }
  }

  return {
    async *read(formatter) {
      yield* drainAll(formatter);
      if (formatter.finished || end) return;
      // At the end: someone may have cut the file (truncate -s 0), or it was rotated away and has successors.
      if (current && (await current.handle.stat()).size < offset) offset = 0;
      ahead = await openLogFiles(path, maxFiles, current?.inode);
      yield* drainAll(formatter);
    },
    async close() {
      await closeLogFiles(current ? [current, ...ahead] : ahead);
    },
  };
}
