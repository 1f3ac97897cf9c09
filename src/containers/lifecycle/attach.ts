import type { Duplex, Readable } from "node:stream";
import { GantryError } from "#base/errors.ts";
import type { LogPosition, Shim } from "#linux/shim.ts";
import type { AttachOptions, LogOptions } from "../engine.ts";
import { readLogs } from "../logs/read-logs.ts";
import type { EngineContext } from "./context.ts";
import { INIT, type Entry, type PendingAttach } from "./entry.ts";
import { twoWay } from "./two-way.ts";

/** Attachers that may wait for the start of one container. */
const MOST_WAITING = 64;

/**
 * A stream to the container's first process. Before a start it waits for it, and misses nothing. With `logs`, what was written before
 * comes first; without `stream`, that is all.
 */
export async function attachContainer(context: EngineContext, id: string, options: AttachOptions): Promise<Duplex> {
  const entry = context.registry.entry(id);
  const readBefore = (end?: LogPosition): Readable | undefined =>
    options.logs
      ? readLogs({ ...logSource(context, entry, false), ...(end && { end }) }, logOptions(entry, options))
      : undefined;
  if (!options.stream) return twoWay(readBefore(), undefined, () => undefined);
  if (!entry.run?.shim) {
    const { live, forget } = waitForStart(entry, options);
    return twoWay(readBefore(), live, forget);
  }
  if (!options.logs) return entry.run.shim.attach(INIT, options);
  const { stream, log } = await entry.run.shim.attachAfterLog(INIT, options);
  return twoWay(readBefore(log), Promise.resolve(stream), () => undefined);
}

/** Where the log of a container is read. `following`: to the end of the run that is on. */
export function logSource(
  { places }: Pick<EngineContext, "places">,
  { id, run, record }: Entry,
  following: boolean,
): { path: string; maxFiles: number; ended: Promise<void> | undefined } {
  return {
    path: places.log(id),
    maxFiles: record.config.log.maxFiles,
    ended: following ? run?.ended.promise : undefined,
  };
}

function logOptions({ record }: Entry, { stdout, stderr }: AttachOptions): LogOptions {
  const framing = record.config.terminal ? "raw" : "multiplexed";
  return { stdout, stderr, follow: false, timestamps: false, framing };
}

/** Resolves with the stream when the container has been started as far as its process waits to be executed. */
function waitForStart(entry: Entry, streams: AttachOptions): { live: Promise<Duplex>; forget: () => void } {
  if (entry.waiting.size >= MOST_WAITING)
    throw new GantryError(
      "too-many-requests",
      `${MOST_WAITING} clients wait for the start of container ${entry.id} already`,
    );
  const connected = Promise.withResolvers<Duplex>();
  const pending: PendingAttach = {
    async connect(shim: Shim) {
      connected.resolve(await shim.attach(INIT, streams));
    },
    fail: connected.reject,
  };
  entry.waiting.add(pending);
  return { live: connected.promise, forget: () => void entry.waiting.delete(pending) };
}
