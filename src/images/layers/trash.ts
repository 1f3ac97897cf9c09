import { readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { hexId } from "#base/ids.ts";
import type { Logger } from "#base/logger.ts";
import type { WorkerPool } from "../worker/pool.ts";
import { emptySoon } from "./empty-soon.ts";

/** Removes trees: out of the way at once, from the disk soon. What is left at the end of the process goes at the next start. */
export interface Trash {
  /** Takes over a file or directory of the same file system. */
  take(path: string): void;
  /** Resolves when everything taken so far is gone. */
  settle(): Promise<void>;
}

/** Files that are removed without another thread of ours: a container's few changes are gone before one would have started. */
const AT_ONCE = 300;

/** Whoever had something removed is answered first, and goes on. */
const SOON_MS = 20;

export function openTrash(folder: string, pool: WorkerPool, logger: Logger): Trash {
  let emptying: Promise<void> | undefined;
  let more = false;
  const empty = async (isFew: boolean): Promise<void> => {
    try {
      for (let few = isFew; ; few = true) {
        more = false;
        if (!few || !(await emptied(folder, logger))) await pool.run("remove", { folder, itself: false });
        if (!more) return;
      }
    } catch (error) {
      logger.warn({ folder, error }, "removed layers are still on the disk; they go at the next start");
    } finally {
      emptying = undefined;
    }
  };
  let soon: NodeJS.Timeout | undefined;
  const start = (): void => {
    soon = undefined;
    if (emptying) more = true;
    else emptying = empty(true);
  };
  if (readdirSync(folder).length > 0) emptying = empty(false);
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

async function emptied(folder: string, logger: Logger): Promise<boolean> {
  try {
    return await emptySoon(folder, AT_ONCE);
  } catch (error) {
    logger.debug({ folder, error }, "removed layers are left to another thread");
    return false;
  }
}
