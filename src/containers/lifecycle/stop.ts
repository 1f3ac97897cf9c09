import { GantryError } from "#base/errors.ts";
import { waitFor } from "./await-exit.ts";
import { attempt, containerEvent, type EngineContext } from "./context.ts";
import { notRunning, shimOf, type Entry } from "./entry.ts";
import { cancelRestart } from "./schedule-restart.ts";
import { launch } from "./start.ts";
import { isUp } from "./state.ts";

const SIGKILL = 9;
const DEFAULT_TIMEOUT_SECONDS = 10;
/** After SIGKILL the end comes at once, unless the kernel is stuck. */
const KILL_TIMEOUT_MS = 10_000;

export interface StopOptions {
  readonly signal?: number;
  /** Negative: for ever. */
  readonly timeoutSeconds?: number;
}

/** Sends the stop signal, then SIGKILL after the timeout. Throws `not-modified` when it is down already. */
export async function stopContainer(context: EngineContext, id: string, options: StopOptions = {}): Promise<void> {
  const entry = await settled(context, id);
  if (!isUp(entry.record.state)) throw new GantryError("not-modified", "Container is already stopped", { id });
  await bringDown(context, entry, options, true);
  containerEvent(context, entry, "stop");
}

/** The container, when a start of it that is under way has ended: a stop in the middle of one must not be lost. */
async function settled({ registry, serial }: EngineContext, id: string): Promise<Entry> {
  const entry = registry.entry(id);
  if (entry.record.state.status === "starting") await serial.run(id, () => Promise.resolve());
  return entry;
}

/** Stops a container that is up; `byUser`: it counts as stopped by hand. */
export async function bringDown(
  context: EngineContext,
  entry: Entry,
  { signal, timeoutSeconds }: StopOptions,
  byUser: boolean,
): Promise<void> {
  const { config } = entry.record;
  const seconds = timeoutSeconds ?? config.stopTimeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS;
  const down = waitFor(entry, () => !isUp(entry.record.state));
  try {
    await sendSignal(context, entry, signal ?? config.stopSignal, byUser);
    const timeoutMs = seconds < 0 ? undefined : seconds * 1000;
    if (await down.within(context.clock, timeoutMs)) return;
    await sendSignal(context, entry, SIGKILL, byUser);
    if (await down.within(context.clock, KILL_TIMEOUT_MS)) return;
    throw new GantryError(
      "timeout",
      `cannot stop container: ${entry.id}: tried to kill container, but did not receive an exit event`,
    );
  } finally {
    down.forget();
  }
}

/** Throws `conflict` when it is not running. SIGKILL waits for the end; other signals are only sent. */
export async function killContainer(context: EngineContext, id: string, signal: number): Promise<void> {
  const entry = await settled(context, id);
  if (!isUp(entry.record.state)) throw notRunning(id);
  const down = waitFor(entry, () => !isUp(entry.record.state));
  try {
    await sendSignal(context, entry, signal, signal === SIGKILL || signal === entry.record.config.stopSignal);
    if (signal !== SIGKILL || (await down.within(context.clock, KILL_TIMEOUT_MS))) return;
    throw new GantryError("timeout", "tried to kill container, but did not receive an exit event", { id });
  } finally {
    down.forget();
  }
}

/**
 * Sends a signal to the container's first process. `stops`: the end that follows is the user's will, and no policy restarts it; that is
 * on disk before the signal goes out. A paused container is let go on, so that it can end.
 */
function sendSignal(context: EngineContext, entry: Entry, signal: number, stops: boolean): Promise<void> {
  return context.serial.run(entry.id, async () => {
    const { state } = entry.record;
    if (state.status === "restarting" && stops) return cancelRestart(context, entry);
    if (state.status !== "running" && state.status !== "paused") return;
    if (stops) context.registry.save(entry, { stopped: true });
    await shimOf(entry).signal("init", signal);
    containerEvent(context, entry, "kill", { signal: String(signal) });
    if (state.status === "paused" && stops) {
      entry.run?.cgroup.thaw();
      context.registry.advance(entry, { kind: "unpaused" });
    }
  });
}

/** Stops it when it is up, and starts it. */
export async function restartContainer(context: EngineContext, id: string, options: StopOptions = {}): Promise<void> {
  const { registry, serial } = context;
  const entry = registry.entry(id);
  entry.keep = true;
  try {
    if (isUp(entry.record.state)) {
      await bringDown(context, entry, options, true);
      containerEvent(context, entry, "stop");
    }
    await serial.run(id, async () => {
      if (entry.record.state.status === "running") return;
      await launch(context, registry.entry(id), { restartCount: 0, lastDelayMs: 0, stopped: false });
    });
  } finally {
    entry.keep = false;
  }
  containerEvent(context, entry, "restart");
}

/** The end of the daemon with all that it runs. None counts as stopped by hand; none gets longer than `longestSeconds`. */
export async function stopAll(context: EngineContext, longestSeconds = 10): Promise<void> {
  context.phase.current = "stopping";
  // What waits to be restarted waits for the next engine.
  const up = Array.from(context.registry.entries()).filter(({ run }) => run !== undefined);
  await Promise.all(
    up.map((entry) =>
      attempt(context, "stopping", entry.id, () =>
        bringDown(context, entry, { timeoutSeconds: Math.min(longestSeconds, patience(entry)) }, false),
      ),
    ),
  );
  // An end is told before the shim and the cgroup are gone, which nobody would see to after this process.
  await Promise.all(up.map(({ id }) => context.serial.run(id, async () => undefined)));
}

/** Seconds that a container may take to stop, by its own wish. */
function patience({ record }: Entry): number {
  const own = record.config.stopTimeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS;
  return own < 0 ? Infinity : own;
}
