import { errorText } from "#base/errors.ts";
import type { Shim, ShimEvent } from "#linux/shim.ts";
import { forgetExec } from "../exec/exec-files.ts";
import { compressRotated } from "../logs/compress-logs.ts";
import { adoptShim } from "./adopt.ts";
import { attempt, containerEvent, type EngineContext } from "./context.ts";
import { endRun } from "./end-run.ts";
import { INIT, type Entry, type Run } from "./entry.ts";

/** Follows what the shim of a run tells, until the run has ended; the result stops it. */
export function supervise(context: EngineContext, entry: Entry, run: Run, shim: Shim): () => void {
  const stopCompressing = compressLog(context, entry, run);
  const stopListening = shim.events.on((event) => {
    switch (event.kind) {
      case "exit":
        if (event.id === INIT) inTurn(context, entry, () => endRun(context, entry, run, event.exit));
        else void attempt(context, "ending an exec", entry.id, () => endExec(context, entry, shim, event));
        break;
      case "oom":
        containerEvent(context, entry, "oom");
        break;
      case "lost":
        // Exits that the shim left on disk are told next, and come first.
        setImmediate(() => inTurn(context, entry, () => replaceShim(context, entry, run)));
        break;
      case "notify":
        break;
    }
  });
  return () => {
    stopCompressing?.();
    stopListening();
  };
}

function compressLog({ places, logger }: EngineContext, { id, record }: Entry, run: Run): (() => void) | undefined {
  if (!record.config.log.compress) return undefined;
  const stop = compressRotated(places.log(id), (error) =>
    logger.warn({ container: id, error: errorText(error) }, "could not compress a rotated log"),
  );
  void run.ended.promise.then(stop);
  return stop;
}

/** Takes its turn among the container's verbs; a start under way ends first. */
function inTurn(context: EngineContext, entry: Entry, task: () => Promise<void>): void {
  context.serial.run(entry.id, task).catch((error: unknown) => {
    context.logger.error({ container: entry.id, error: errorText(error) }, "following a container");
  });
}

async function endExec(
  context: EngineContext,
  entry: Entry,
  shim: Shim,
  event: Extract<ShimEvent, { kind: "exit" }>,
): Promise<void> {
  context.execs.ended(entry, event.id, event.exit.code);
  forgetExec(context.places.shim(entry.id), event.id);
  await shim.acknowledge(event.id);
}

/** The shim has gone, or has let go of us: it is found again, or what it has left is ended. */
async function replaceShim(context: EngineContext, entry: Entry, run: Run): Promise<void> {
  if (entry.run !== run || context.phase.current === "closed") return;
  context.logger.warn({ container: entry.id }, "the connection to the container's shim broke");
  const exit = await adoptShim(context, entry, run);
  if (exit && entry.run) await endRun(context, entry, entry.run, exit);
}
