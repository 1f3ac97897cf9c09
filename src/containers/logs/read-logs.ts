import type { Buffer } from "node:buffer";
import { Readable } from "node:stream";
import type { LogPosition } from "#linux/shim.ts";
import type { LogOptions } from "../engine.ts";
import { openLogCursor, PIECE_BYTES } from "./log-cursor.ts";
import { logFormatter } from "./log-format.ts";
import { logNews } from "./log-news.ts";

export interface LogSource {
  readonly path: string;
  readonly maxFiles: number;
  /** Settles when the run that writes the log has ended and everything is written; undefined: nothing runs. */
  readonly ended: Promise<unknown> | undefined;
  /** Nothing beyond this place is read. */
  readonly end?: LogPosition;
}

/**
 * Reads a json-file log, rotated files included. With `follow` it goes on until the run ends, woken by the file system, across
 * rotations, with no gap and no repeat. Holds one piece of 256 KiB; a slow reader stops the reading.
 */
export function readLogs(source: LogSource, options: LogOptions): Readable {
  const reading = new AbortController();
  const entries = pieces(source, options, reading.signal);
  const stream = new Readable({
    highWaterMark: PIECE_BYTES,
    read() {
      entries.next().then(
        ({ done, value }) => stream.push(done ? null : value),
        (error: unknown) => stream.destroy(error as Error),
      );
    },
    destroy(error, settle) {
      // Wakes a reading that waits for news; its clean-up comes before "close".
      reading.abort();
      entries.return(undefined).then(
        () => settle(error),
        (failure: unknown) => settle(error ?? (failure as Error)),
      );
    },
  });
  const abort = (): void => void stream.destroy();
  options.signal?.addEventListener("abort", abort, { once: true });
  stream.once("close", () => options.signal?.removeEventListener("abort", abort));
  if (options.signal?.aborted) abort();
  return stream;
}

async function* pieces(source: LogSource, options: LogOptions, signal: AbortSignal): AsyncGenerator<Buffer> {
  const formatter = logFormatter({ ...options, details: options.details ?? false });
  const news = options.follow && source.ended ? logNews(source.path, source.ended, signal) : undefined;
  try {
    const cursor = await openLogCursor(source.path, source.maxFiles, options.tail, source.end);
    try {
      for (;;) {
        // Asked before the reading, so that nothing written meanwhile is missed.
        const last = news?.ended ?? true;
        const more = news?.next();
        yield* cursor.read(formatter);
        if (last || formatter.finished) return;
        await more;
      }
    } finally {
      await cursor.close();
    }
  } finally {
    news?.close();
  }
}
