import type { ProcessExit } from "#linux/shim.ts";
import type { ContainerExit } from "../engine.ts";
import { attempt, containerEvent, type EngineContext } from "./context.ts";
import type { Entry, Run } from "./entry.ts";
import { unplugAll } from "./plug.ts";
import { deactivateVolumes, volumeEvents } from "./prepare-mounts.ts";
import { removeDown } from "./remove.ts";
import { nextRestart } from "./restart-policy.ts";
import { scheduleRestart } from "./schedule-restart.ts";
import { unmountSharedMemory } from "./shared-memory.ts";
import { releaseShim } from "./shim-end.ts";

/**
 * The end of a run; the caller holds the container's place. What others may be waiting for (addresses, ports, volumes) is free before
 * anyone hears of it. The shim forgets the exit only after it is on disk.
 */
export async function endRun(context: EngineContext, entry: Entry, run: Run, processExit: ProcessExit): Promise<void> {
  if (entry.run !== run) return;
  run.stopHealth?.();
  await releaseHost(context, entry, run);
  const exit = { code: processExit.code, oomKilled: processExit.oomKilled, error: "", at: processExit.at };
  const restartDelayMs = recordExit(context, entry, exit);
  entry.run = undefined;
  run.ended.resolve();
  entry.exits.emit(exit);
  await attempt(context, "ending the shim", entry.id, () => releaseShim(context, entry, run));
  await attempt(context, "removing the cgroup", entry.id, () => run.cgroup.remove());
  if (restartDelayMs !== undefined) scheduleRestart(context, entry, restartDelayMs);
  else if (entry.record.config.autoRemove && !entry.keep)
    await attempt(context, "removal", entry.id, () => removeDown(context, entry, true));
}

/** Gives back what a run had of the host. */
async function releaseHost(context: EngineContext, entry: Entry, { cgroup }: Run): Promise<void> {
  // Others than those of the container's own pid namespace outlive its first process.
  if (entry.record.config.namespaces.pid.kind !== "new")
    await attempt(context, "killing what is left", entry.id, () => cgroup.kill());
  await attempt(context, "leaving networks", entry.id, () => unplugAll(context, entry));
  await attempt(context, "releasing volumes", entry.id, () => deactivateVolumes(context, entry));
  volumeEvents(context, entry, "unmount");
  if (entry.record.config.namespaces.ipc.kind === "shareable")
    await attempt(context, "releasing shared memory", entry.id, () => unmountSharedMemory(context, entry.id));
}

/** Writes down how it ended, and whether it is to be restarted: after how many milliseconds. */
function recordExit(context: EngineContext, entry: Entry, exit: ContainerExit): number | undefined {
  const { registry, phase } = context;
  const { record } = entry;
  const startedAt = "startedAt" in record.state ? record.state.startedAt : exit.at;
  const ranMs = Math.max(0, exit.at - startedAt);
  const { restartCount, lastDelayMs, stopped, config } = record;
  const delay =
    phase.current === "running"
      ? nextRestart(config.restartPolicy, { exitCode: exit.code, ranMs, restartCount, stopped, lastDelayMs })
      : undefined;
  registry.advance(
    entry,
    { kind: "exited", exit, restart: delay !== undefined },
    delay === undefined ? {} : { restartCount: restartCount + 1, lastDelayMs: delay },
  );
  const execDuration = String(Math.floor(ranMs / 1000));
  containerEvent(context, entry, "die", { exitCode: String(exit.code), execDuration });
  return delay;
}
