import { GantryError, errorText } from "#base/errors.ts";
import { attempt, containerEvent, type EngineContext } from "./context.ts";
import type { Entry } from "./entry.ts";
import { makeRun } from "./make-run.ts";
import { removeDown } from "./remove.ts";
import { startFailure } from "./start-error.ts";
import { undoList } from "./undo.ts";
import { watchHealth } from "../health/watch-health.ts";

/** Starts a container by a user's order. Throws `not-modified` when it runs, `conflict` when it cannot. */
export function startContainer(context: EngineContext, id: string): Promise<void> {
  return context.serial.run(id, async () => {
    const entry = context.registry.entry(id);
    refuseStart(entry);
    await launch(context, entry, { restartCount: 0, lastDelayMs: 0, stopped: false });
  });
}

function refuseStart({ id, record }: Entry): void {
  switch (record.state.status) {
    case "paused":
      throw new GantryError("conflict", "cannot start a paused container, try unpause instead", { id });
    case "running":
    case "restarting":
      throw new GantryError("not-modified", "Container is already started", { id });
    case "removing":
    case "dead":
      throw new GantryError("conflict", "container is marked for removal and cannot be started", { id });
  }
}

/**
 * The start itself; the caller holds the container's place. The intent is on disk before anything is made. When any part fails,
 * everything is undone, the state says why, and the failure is thrown in Docker's words.
 */
export async function launch(
  context: EngineContext,
  entry: Entry,
  change: { restartCount: number; lastDelayMs: number; stopped: boolean },
): Promise<void> {
  const { registry, clock, logger } = context;
  registry.advance(entry, { kind: "start", at: clock.now() }, change);
  const undo = undoList();
  try {
    const { run, init } = await makeRun(context, entry, undo);
    registry.advance(entry, { kind: "started", pid: init.pid, startTicks: init.startTicks, at: clock.now() });
    entry.run = run;
  } catch (error) {
    await undo.run((failure) => logger.warn({ container: entry.id, error: errorText(failure) }, "undoing a start"));
    throw await failStart(context, entry, error);
  }
  containerEvent(context, entry, "start");
  watchHealth(context, entry, true);
}

async function failStart(context: EngineContext, entry: Entry, reason: unknown): Promise<GantryError> {
  const { registry, clock } = context;
  const { config } = entry.record;
  const { error, exitCode } = startFailure(reason, config.args[0] ?? "", "container");
  const exit = { code: exitCode, oomKilled: false, error: error.message, at: clock.now() };
  registry.advance(entry, { kind: "start-failed", exit });
  for (const waiting of entry.waiting) waiting.fail(error);
  entry.waiting.clear();
  entry.exits.emit(exit);
  if (config.autoRemove)
    await attempt(context, "removal after a failed start", entry.id, () => removeDown(context, entry, true));
  return error;
}
