import { rm } from "node:fs/promises";
import { isSyscallError, kill } from "#linux/syscalls.ts";
import type { EngineContext } from "./context.ts";
import { INIT, type Entry, type Run } from "./entry.ts";

const SIGKILL = 9;
/** Execs end with the container's first process, or are killed with it; a shim that is stuck all the same is killed. */
const EXECS_TIMEOUT_MS = 5000;

/** After the end of a run is on disk: the shim forgets it, and ends. Its directory goes last, so that it can be found until then. */
export async function releaseShim(context: EngineContext, entry: Entry, { shim }: Run): Promise<void> {
  if (shim) {
    await shim.acknowledge(INIT);
    if (!(await context.execs.allEnded(entry, EXECS_TIMEOUT_MS))) killShim(shim.pid);
    shim.disconnect();
  }
  await rm(context.places.shim(entry.id), { recursive: true, force: true });
}

/** Ends whatever of a run exists, and its shim with it: a start that failed. */
export async function abandonShim({ shim, cgroup }: Run): Promise<void> {
  // By the shim: it may not have come to its cgroup yet. There is no such process when the launch itself failed.
  await shim?.signal(INIT, SIGKILL).catch(() => undefined);
  await cgroup.kill();
  await shim?.acknowledge(INIT).catch(() => undefined);
  shim?.disconnect();
}

function killShim(pid: number): void {
  try {
    kill(pid, SIGKILL);
  } catch (error) {
    if (!isSyscallError(error, "ESRCH")) throw error;
  }
}
