import { errorText } from "#base/errors.ts";
import type { EngineContext } from "./context.ts";
import type { Entry } from "./entry.ts";
import { launch } from "./start.ts";

/** Starts a container again when its delay is over, unless someone else has decided meanwhile. */
export function scheduleRestart(context: EngineContext, entry: Entry, delayMs: number): void {
  const { serial, clock, logger, phase, opened } = context;
  const restart = async (): Promise<void> => {
    await opened.promise;
    entry.cancelRestart = undefined;
    if (entry.record.state.status !== "restarting" || phase.current !== "running") return;
    const { restartCount, lastDelayMs, stopped } = entry.record;
    await launch(context, entry, { restartCount, lastDelayMs, stopped });
  };
  entry.cancelRestart = clock.after(delayMs, () => {
    serial.run(entry.id, restart).catch((error: unknown) => {
      logger.warn({ container: entry.id, error: errorText(error) }, "restarting a container");
    });
  });
}

/** The restart that is due will not be; the container stays down. Those who wait for its end are told. */
export function cancelRestart(context: EngineContext, entry: Entry): void {
  const { state } = entry.record;
  if (state.status !== "restarting") return;
  entry.cancelRestart?.();
  entry.cancelRestart = undefined;
  context.registry.advance(entry, { kind: "restart-cancelled" }, { stopped: true });
  entry.exits.emit(state.exit);
}
