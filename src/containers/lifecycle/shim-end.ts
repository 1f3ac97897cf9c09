import { rmdirSync, rmSync } from "node:fs";
import type { Clock } from "#base/clock.ts";
import type { Shim } from "#linux/shim.ts";
import { isSyscallError, kill } from "#linux/syscalls.ts";
import type { EngineContext } from "./context.ts";
import { INIT, type Entry, type Run } from "./entry.ts";

const SIGKILL = 9;
/** Execs end with the container's first process, or are killed with it; a shim that is stuck all the same is killed. */
const EXECS_TIMEOUT_MS = 5000;

/**
 * After the end of a run is on disk: the shim forgets it, and ends. The first process goes last, and the directory after it, so that a
 * shim that still has something to tell can be found.
 */
export async function releaseShim(context: EngineContext, entry: Entry, { shim, hasExecs }: Run): Promise<void> {
  if (shim) {
    if (hasExecs && !(await execsEnded(shim, context.clock))) killShim(shim.pid);
    await shim.acknowledge(INIT);
    shim.disconnect();
  }
  removeShimDirectory(context.places.shim(entry.id));
}

/** Its socket is left, and records of some bytes after an accident: sooner gone than another thread is told. */
function removeShimDirectory(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** True when all other processes of the shim have ended and are acknowledged; false after a time. Some may be of an earlier engine. */
async function execsEnded(shim: Shim, clock: Clock): Promise<boolean> {
  const left = new Set<string>();
  const done = Promise.withResolvers<boolean>();
  const ended = (id: string): void => {
    left.delete(id);
    if (left.size === 0) done.resolve(true);
  };
  const stop = shim.events.on((event) => {
    if (event.kind === "exit") ended(event.id);
    else if (event.kind === "lost") done.resolve(true);
  });
  const cancel = clock.after(EXECS_TIMEOUT_MS, () => done.resolve(false));
  try {
    const others = (await shim.processes()).filter(({ id }) => id !== INIT);
    for (const { id, exit } of others) if (!exit) left.add(id);
    for (const { id, exit } of others) if (exit) await acknowledge(shim, id);
    if (left.size === 0) return true;
    return await done.promise;
  } finally {
    stop();
    cancel();
  }
}

/** The one who follows the shim may have been faster. */
async function acknowledge(shim: Shim, id: string): Promise<void> {
  await shim.acknowledge(id).catch(() => undefined);
}

/** Ends whatever of a run exists, and its shim with it: a start that failed. */
export async function abandonShim({ shim, cgroup }: Run): Promise<void> {
  // By the shim: it may not have come to its cgroup yet. There is no such process when the launch itself failed.
  await shim?.signal(INIT, SIGKILL).catch(() => undefined);
  await cgroup.kill();
  if (shim) await acknowledge(shim, INIT);
  shim?.disconnect();
}

function killShim(pid: number): void {
  try {
    kill(pid, SIGKILL);
  } catch (error) {
    if (!isSyscallError(error, "ESRCH")) throw error;
  }
}
