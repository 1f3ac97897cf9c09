import { errorText } from "#base/errors.ts";
import { containerEvent, type EngineContext } from "../lifecycle/context.ts";
import type { Entry } from "../lifecycle/entry.ts";
import type { Health } from "../engine.ts";
import { healthPlan, startingHealth } from "./health.ts";
import { monitorHealth } from "./monitor.ts";

/** Runs a container's health checks while it runs and is not paused. `fresh`: a new run, whose health is not known yet. */
export function watchHealth(context: EngineContext, entry: Entry, fresh: boolean): void {
  const { run, record } = entry;
  const plan = healthPlan(record.config.healthcheck);
  if (!run || !plan || record.state.status !== "running") return;
  stopHealth(entry);
  const { startedAt } = record.state;
  const health = (): Health => entry.record.health ?? startingHealth(undefined);
  if (fresh || !record.health) context.registry.save(entry, { health: startingHealth(record.health) });
  run.stopHealth = monitorHealth(
    {
      plan,
      startedAt,
      health,
      probe: (signal) => context.probe(entry, plan, signal),
      changed: (next) => recordHealth(context, entry, next),
    },
    context.clock,
  );
}

export function stopHealth({ run }: Entry): void {
  run?.stopHealth?.();
  if (run) run.stopHealth = undefined;
}

/** A change of status is written down and told; results in between are kept in memory until the next change. */
function recordHealth(context: EngineContext, entry: Entry, next: Health): void {
  const before = entry.record.health?.status;
  if (before === next.status) {
    entry.record = { ...entry.record, health: next };
    entry.view = undefined;
    return;
  }
  try {
    context.registry.save(entry, { health: next });
  } catch (error) {
    context.logger.warn({ container: entry.id, error: errorText(error) }, "health not written");
  }
  containerEvent(context, entry, `health_status: ${next.status}`);
}
