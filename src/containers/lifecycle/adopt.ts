import { errorText } from "#base/errors.ts";
import { openCgroup } from "#linux/cgroups.ts";
import type { ProcessExit, Shim, ShimProcess } from "#linux/shim.ts";
import { forgetExec, readExec } from "../exec/exec-files.ts";
import { attempt, type EngineContext } from "./context.ts";
import { INIT, type Entry, type Run } from "./entry.ts";
import { supervise } from "./supervise.ts";

const KILLED_CODE = 137;
/** Docker's code for an end that no one saw: the machine went down. */
const UNSEEN_CODE = 255;

/**
 * Connects a container that should be running to its shim again. `entry.run` is set either way. Returns how it ended when it did
 * meanwhile. A shim that does not answer is taken for lost: what it has left in the cgroup is killed.
 */
export async function adoptShim(
  context: EngineContext,
  entry: Entry,
  before: Run | undefined,
): Promise<ProcessExit | undefined> {
  const shim = await connectShim(context, entry);
  const run: Run = {
    shim,
    hasExecs: true,
    cgroup: before?.cgroup ?? openCgroup(`${entry.record.config.cgroupParent}/${entry.id}`),
    ended: before?.ended ?? Promise.withResolvers(),
    stopHealth: before?.stopHealth,
  };
  entry.run = run;
  if (shim) {
    supervise(context, entry, run, shim);
    const processes = await shim.processes();
    for (const process of processes) if (process.id !== INIT) await adoptExec(context, entry, shim, process);
    const init = processes.find(({ id }) => id === INIT);
    if (init) return init.exit;
  }
  return endLost(context, entry, run);
}

/** An exec that an earlier engine started goes on being known; one that has ended meanwhile is told of. */
async function adoptExec(
  { places, execs }: EngineContext,
  entry: Entry,
  shim: Shim,
  { id, pid, exit }: ShimProcess,
): Promise<void> {
  const directory = places.shim(entry.id);
  const config = readExec(directory, id);
  if (config) execs.adopt(id, entry, config, pid);
  if (!exit) return;
  execs.ended(entry, id, exit.code);
  forgetExec(directory, id);
  await shim.acknowledge(id);
}

async function connectShim({ places, shims, logger }: EngineContext, { id }: Entry): Promise<Shim | undefined> {
  try {
    return await shims.connect(places.shim(id));
  } catch (error) {
    logger.warn({ container: id, error: errorText(error) }, "the container's shim does not answer");
    return undefined;
  }
}

async function endLost(context: EngineContext, entry: Entry, { cgroup }: Run): Promise<ProcessExit> {
  const left = pidsIn(cgroup);
  await attempt(context, "killing what a lost shim left", entry.id, () => cgroup.kill());
  return { code: left > 0 ? KILLED_CODE : UNSEEN_CODE, oomKilled: false, at: context.clock.now() };
}

function pidsIn(cgroup: Run["cgroup"]): number {
  try {
    return cgroup.pids().length;
  } catch {
    // No such cgroup: nothing is left in it.
    return 0;
  }
}
