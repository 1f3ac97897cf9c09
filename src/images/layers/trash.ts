import { readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { hexId } from "#base/ids.ts";
import type { Logger } from "#base/logger.ts";
import { emptyFolder } from "../worker/remove-tree.ts";
import type { WorkerPool } from "../worker/pool.ts";

/** Removes trees: out of the way at once, from the disk soon. What is left at the end of the process goes at the next start. */
export interface Trash {
  /** Takes over a file or directory of the same file system. */
  take(path: string): void;
  /** Resolves when everything taken so far is gone. */
  settle(): Promise<void>;
}

/** Files that are removed on this thread: a container's few changes are gone before another would have started. */
const AT_ONCE = 300;

/** Whoever had something removed is answered first, and goes on. */
const SOON_MS = 20;

export function openTrash(folder: string, pool: WorkerPool, logger: Logger): Trash {
  let emptying: Promise<void> | undefined;
  let more = false;
  const empty = async (): Promise<void> => {
    try {
      do {
        more = false;
        await pool.run("remove", { folder, itself: false });
      } while (more);
    } catch (error) {
      logger.warn({ folder, error }, "removed layers are still on the disk; they go at the next start");
    } finally {
      emptying = undefined;
    }
  };
  const kick = (): void => {
    more = true;
    emptying ??= empty();
  };
  const emptiedHere = (): boolean => {
    try {
      return emptyFolder(folder, AT_ONCE);
    } catch (error) {
      logger.warn({ folder, error }, "removed layers are left to another thread");
      return false;
    }
  };
  let soon: NodeJS.Timeout | undefined;
  const start = (): void => {
    soon = undefined;
    if (emptying || !emptiedHere()) kick();
  };
  if (readdirSync(folder).length > 0) kick();
  return {
    take(path) {
      renameSync(path, join(folder, hexId(undefined, 16)));
      soon ??= setTimeout(start, SOON_MS);
    },
    async settle() {
      if (soon) {
        clearTimeout(soon);
        start();
      }
      await emptying;
    },
  };
}
