import type { QueuedPod } from "../queue/scheduling-queue.ts";
import type { SchedulerContext } from "./context.ts";
import { scheduleOne } from "./schedule-next.ts";

/** Bindings under way at most; the next decision waits for one to end. */
const MAX_BINDINGS = 256;
/** Decisions in a row before others on the event loop have their turn. A number, not a time: a simulation repeats exactly. */
const SLICE_DECISIONS = 16;

export interface SchedulingLoop {
  /** There may be a pod to take. */
  wake(): void;
  stop(): Promise<void>;
}

/** Takes pods from the queue, one decision after the other, as long as there are any; then does nothing until it is woken. */
export function schedulingLoop(context: () => SchedulerContext): SchedulingLoop {
  const bindings = new Set<Promise<void>>();
  let scheduled = false;
  let stopped = false;
  const run = (): void => {
    scheduled = false;
    const { queue } = context();
    for (let decisions = 0; !stopped && bindings.size < MAX_BINDINGS; decisions++) {
      if (decisions === SLICE_DECISIONS) return loop.wake();
      const queued: QueuedPod | undefined = queue.take();
      if (!queued) return;
      const binding = scheduleOne(context(), queued);
      if (binding) track(binding);
    }
  };
  const track = (binding: Promise<void>): void => {
    bindings.add(binding);
    const ended = (): void => {
      const full = bindings.size >= MAX_BINDINGS;
      bindings.delete(binding);
      if (full) loop.wake();
    };
    binding.then(ended, ended);
  };
  const loop: SchedulingLoop = {
    wake() {
      if (scheduled || stopped) return;
      scheduled = true;
      setImmediate(run);
    },
    async stop() {
      stopped = true;
      await Promise.allSettled(bindings);
    },
  };
  return loop;
}
