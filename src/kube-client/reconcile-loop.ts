import type { Clock } from "#base/clock.ts";
import { errorText, isGantryError } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import type { QueueMetrics } from "./queue-metrics.ts";
import { workQueue, type WorkQueue } from "./work-queue.ts";

/** What a reconcile asks for next: nothing, or to be called again after a time (a deadline, not polling). */
export type ReconcileResult = { readonly requeueAfterMs: number } | undefined | void;

export interface ReconcileLoopOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Brings one object, named by its key and read afresh, nearer to what is wanted. Throwing means: later again. */
  reconcile(key: string): Promise<ReconcileResult>;
  /** Keys worked on at the same time; one key never twice. */
  readonly workers?: number;
  readonly baseDelayMs?: number;
  readonly maxDelayMs?: number;
  readonly metrics?: QueueMetrics | undefined;
  /** All keys there are: queued anew after the queue had to refuse some. */
  allKeys?(): Iterable<string>;
}

export interface ReconcileLoop {
  readonly queue: WorkQueue;
  /** Starts the workers (after the informers have synced). */
  start(): void;
  /** Ends the workers; resolves when what is being worked on is done. */
  stop(): Promise<void>;
}

/** Errors that end by themselves and are no news. */
function expected(error: unknown): boolean {
  return isGantryError(error, "conflict") || isGantryError(error, "not-found") || isGantryError(error, "cancelled");
}

/**
 * Runs a controller: keys in, `reconcile` calls out. Whatever a reconcile throws stays inside its key, which is tried again with a
 * growing delay; neither the other keys nor the other controllers notice.
 */
export function reconcileLoop(options: ReconcileLoopOptions): ReconcileLoop {
  const { name, clock, workers = 5 } = options;
  const logger = options.logger.child({ controller: name });
  const queue = workQueue({
    clock,
    baseDelayMs: options.baseDelayMs,
    maxDelayMs: options.maxDelayMs,
    metrics: options.metrics,
    onBrim: () => {
      for (const key of options.allKeys?.() ?? []) queue.add(key);
    },
  });
  const work = async (key: string): Promise<void> => {
    try {
      const result = await options.reconcile(key);
      queue.forget(key);
      if (result) queue.addAfter(key, result.requeueAfterMs);
    } catch (error) {
      if (expected(error)) logger.debug({ key, error: errorText(error) }, "reconcile will be tried again");
      else logger.error({ key, error: stackOf(error) }, "reconcile failed");
      queue.addRateLimited(key);
    } finally {
      queue.done(key);
    }
  };
  const worker = async (): Promise<void> => {
    for (let key = await queue.take(); key !== undefined; key = await queue.take()) await work(key);
  };
  let running: Promise<unknown> = Promise.resolve();
  return {
    queue,
    start() {
      running = Promise.all(Array.from({ length: workers }, worker));
    },
    async stop() {
      queue.shutDown();
      await running;
    },
  };
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
