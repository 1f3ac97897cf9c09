import { Buffer } from "node:buffer";
import { closeLogFiles, openLogFiles, tailPosition, type LogFile } from "./log-files.ts";
import type { LogFormatter } from "./log-format.ts";

/** A place in a log that moves on through its files, over rotations and truncation. */
export interface LogCursor {
  /** Formats everything from here to the end. */
  read(formatter: LogFormatter): AsyncGenerator<Buffer, void>;
  close(): Promise<void>;
}

export const PIECE_BYTES = 256 * 1024;

/** Stands at the beginning, or before the last `tail` lines. */
export async function openLogCursor(path: string, maxFiles: number, tail: number | undefined): Promise<LogCursor> {
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
      const { bytesRead } = await current.handle.read(piece, 0, PIECE_BYTES, offset);
      if (bytesRead === 0) return;
      offset += bytesRead;
      const out = formatter.push(piece.subarray(0, bytesRead));
      if (out.length > 0) yield out;
      if (formatter.finished) return;
    }
  }

  async function* drainAll(formatter: LogFormatter): AsyncGenerator<Buffer, void> {
    yield* drain(formatter);
    for (let next = ahead.shift(); next && !formatter.finished; next = ahead.shift()) {
      await current?.handle.close();
      current = next;
      offset = 0;
      yield* drain(formatter);
    }
  }

  return {
    async *read(formatter) {
      yield* drainAll(formatter);
      if (formatter.finished) return;
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
