import { GantryError } from "#base/errors.ts";
import { containerEvent, type EngineContext } from "./context.ts";
import { notRunning, type Entry } from "./entry.ts";
import { stopHealth, watchHealth } from "../health/watch-health.ts";

/** Freezes every process of the container. */
export function pauseContainer(context: EngineContext, id: string): Promise<void> {
  return context.serial.run(id, async () => {
    const entry = context.registry.entry(id);
    const { cgroup } = liveRun(entry);
    if (entry.record.state.status === "paused")
      throw new GantryError("conflict", `Container ${id} is already paused`, { id });
    await cgroup.freeze();
    context.registry.advance(entry, { kind: "paused" });
    stopHealth(entry);
    containerEvent(context, entry, "pause");
  });
}

export function unpauseContainer(context: EngineContext, id: string): Promise<void> {
  return context.serial.run(id, async () => {
    const entry = context.registry.entry(id);
    if (entry.record.state.status !== "paused")
      throw new GantryError("conflict", `Container ${id} is not paused`, { id });
    liveRun(entry).cgroup.thaw();
    context.registry.advance(entry, { kind: "unpaused" });
    watchHealth(context, entry, false);
    containerEvent(context, entry, "unpause");
  });
}

function liveRun(entry: Entry): NonNullable<Entry["run"]> {
  if (entry.record.state.status === "restarting")
    throw new GantryError("conflict", `Container ${entry.id} is restarting, wait until the container is running`);
  if (!entry.run) throw notRunning(entry.id);
  return entry.run;
}
