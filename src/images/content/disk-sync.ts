import { open } from "node:fs/promises";
import { dirname } from "node:path";
import type { Digest } from "#formats/digest.ts";
import { diskError, syncFolder } from "../durable-files.ts";

/** Brings named blobs to the disk, behind the back of whoever stored them: what comes together shares the disk's work. */
export interface DiskSync {
  begin(digest: Digest, file: string): void;
  /** Resolves when those of these blobs that are under way are on the disk. Throws when one could not be written. */
  settle(digests: Iterable<Digest>): Promise<void>;
}

/** Files that are written back at once: node has four threads for files in all. */
const AT_ONCE = 2;

interface Waiting {
  readonly digest: Digest;
  readonly file: string;
  readonly done: PromiseWithResolvers<void>;
}

/** `onLost` is told of a blob that could not be written, before anyone who waits for it. */
export function diskSync(onLost: (digest: Digest) => void): DiskSync {
  const underway = new Map<Digest, Promise<void>>();
  let queue: Waiting[] = [];
  let running = false;
  const run = async (): Promise<void> => {
    running = true;
    while (queue.length > 0) {
      const batch = queue;
      queue = [];
      await syncBatch(batch);
    }
    running = false;
  };
  return {
    begin(digest, file) {
      const done = Promise.withResolvers<void>();
      underway.set(digest, done.promise);
      done.promise.then(
        () => underway.get(digest) === done.promise && underway.delete(digest),
        // The failure stays for those who come to need the blob, until it is stored again.
        () => onLost(digest),
      );
      queue.push({ digest, file, done });
      if (!running) void run();
    },
    async settle(digests) {
      for (const digest of digests) await underway.get(digest);
    },
  };
}

async function syncBatch(batch: readonly Waiting[]): Promise<void> {
  const left = [...batch];
  const written: Waiting[] = [];
  const work = async (): Promise<void> => {
    for (let next = left.shift(); next; next = left.shift()) {
      try {
        await syncFile(next.file);
        written.push(next);
      } catch (error) {
        next.done.reject(error);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  try {
    for (const folder of new Set(written.map(({ file }) => dirname(file)))) await syncFolder(folder);
    for (const { done } of written) done.resolve();
  } catch (error) {
    for (const { done } of written) done.reject(error);
  }
}

async function syncFile(file: string): Promise<void> {
  try {
    const handle = await open(file, "r+");
    try {
      await handle.datasync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    // Nobody needed it: it has been collected.
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw diskError(error);
  }
}
