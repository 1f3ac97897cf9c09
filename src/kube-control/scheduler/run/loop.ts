import type { SchedulerContext } from "./context.ts";
import { scheduleOne } from "./schedule-next.ts";

/** Decisions in a row before others on the event loop have their turn. A number, not a time: a simulation repeats exactly. */
const SLICE_DECISIONS = 16;

export interface SchedulingLoop {
  /** There may be a pod to take. */
  wake(): void;
  stop(): Promise<void>;
}

/** Takes pods from the queue, one decision after the other, as long as there are any; then does nothing until it is woken. */
export function schedulingLoop(context: () => SchedulerContext): SchedulingLoop {
  let scheduled = false;
  let stopped = false;
  /** A decision that waits for an extender. */
  let deciding: Promise<void> | undefined;
  const run = (): void => {
    scheduled = false;
    const { queue, bindings } = context();
    for (let decisions = 0; !stopped && !deciding && !bindings.full; decisions++) {
      if (decisions === SLICE_DECISIONS) return loop.wake();
      const queued = queue.take();
      if (!queued) return;
      const pending = scheduleOne(context(), queued);
      if (pending) follow(pending);
    }
  };
  const follow = (pending: Promise<void>): void => {
    const ended = (): void => {
      deciding = undefined;
      loop.wake();
    };
    deciding = pending.then(ended, ended);
  };
  const loop: SchedulingLoop = {
    wake() {
      if (scheduled || stopped) return;
      scheduled = true;
      setImmediate(run);
    },
    async stop() {
      stopped = true;
      await deciding;
      await context().bindings.settled();
    },
  };
  return loop;
}
