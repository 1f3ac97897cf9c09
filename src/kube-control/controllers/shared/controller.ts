import type { Clock } from "#base/clock.ts";
import type { Logger } from "#base/logger.ts";
import type { Random } from "#base/random.ts";
import type { KubeObject, Typed } from "#formats/kube-object.ts";
import type { KubeClient } from "#kube-client/client.ts";
import type { ResourceDiscovery } from "#kube-client/discovery.ts";
import type { EventRecorder } from "#kube-client/events.ts";
import type { InformerFactory } from "#kube-client/informer-factory.ts";
import type { Informer } from "#kube-client/informer.ts";
import type { QueueMetricsRegistry } from "#kube-client/queue-metrics.ts";
import { reconcileLoop, type ReconcileLoop, type ReconcileLoopOptions } from "#kube-client/reconcile-loop.ts";

/** What every controller is given. */
export interface ControllerContext {
  readonly client: KubeClient;
  readonly informers: InformerFactory;
  readonly discovery: ResourceDiscovery;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Counts what the queues do. */
  readonly metrics?: QueueMetricsRegistry | undefined;
  /** The recorder of a component's events, one for each name. */
  events(component: string): EventRecorder;
}

/** A controller that has been set up: it has subscribed to its informers, and begins with `start`. */
export interface Controller {
  readonly name: string;
  /** Begins to reconcile; called when all informers have synced. */
  start(): void;
  stop(): Promise<void>;
  /** Nothing queued and nothing being worked on. */
  readonly idle: boolean;
}

export interface ControllerParts {
  readonly name: string;
  readonly reconcile: ReconcileLoopOptions["reconcile"];
  readonly workers?: number;
  /** Subscribes to what may change what is wanted; each result unsubscribes. */
  readonly watch: (queue: ReconcileLoop["queue"]) => readonly (() => void)[];
  readonly allKeys?: () => Iterable<string>;
}

/** A controller of one reconcile loop. */
export function controller(context: ControllerContext, parts: ControllerParts): Controller {
  const { clock, logger } = context;
  const metrics = context.metrics?.queue(parts.name);
  const { name, reconcile, workers, allKeys } = parts;
  const loop = reconcileLoop({ name, clock, logger, reconcile, workers, allKeys, metrics });
  const unsubscribe = parts.watch(loop.queue);
  return {
    name,
    start: loop.start,
    async stop() {
      for (const off of unsubscribe) off();
      await loop.stop();
    },
    get idle() {
      return loop.queue.idle;
    },
  };
}

/** Subscribes to an informer: every object of an event (before and after) is turned into keys to queue. */
export function enqueueFrom<T extends KubeObject>(
  informer: Informer<T>,
  queue: ReconcileLoop["queue"],
  keysOf: (object: T) => readonly string[],
  relevant: (before: T, after: T) => boolean = () => true,
): () => void {
  const enqueue = (object: T): void => {
    for (const key of keysOf(object)) queue.add(key);
  };
  return informer.addHandler({
    add: enqueue,
    update(before, after) {
      if (!relevant(before, after)) return;
      enqueue(before);
      enqueue(after);
    },
    delete: enqueue,
  });
}

/** Shorthand: the informer of a resource. */
export function informerOf<T extends KubeObject>(context: ControllerContext, resource: Typed<T>): Informer<T> {
  return context.informers.informer(resource);
}
