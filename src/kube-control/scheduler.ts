import type { Clock } from "#base/clock.ts";
import type { Logger } from "#base/logger.ts";
import { systemRandom, type Random } from "#base/random.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { KubeClient } from "#kube-client/client.ts";
import { eventRecorder } from "#kube-client/events.ts";
import { informerFactory, type InformerFactory } from "#kube-client/informer-factory.ts";
import { clusterState } from "./scheduler/cluster/cluster-state.ts";
import { defaultProfile } from "./scheduler/default-profile.ts";
import type { EventInterest } from "./scheduler/framework/plugin.ts";
import type { Profile } from "./scheduler/framework/profile.ts";
import { schedulingQueue } from "./scheduler/queue/scheduling-queue.ts";
import { profileOf, type SchedulerContext } from "./scheduler/run/context.ts";
import { explanations } from "./scheduler/run/explanations.ts";
import { schedulingLoop } from "./scheduler/run/loop.ts";
import { nodeHandler } from "./scheduler/run/node-events.ts";
import { podHandler } from "./scheduler/run/pod-events.ts";

export interface SchedulerOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random?: Random;
  /** Shared with other components of the process; the scheduler's own otherwise. */
  readonly informers?: InformerFactory;
  /** Pods with this spec.schedulerName are this scheduler's. */
  readonly schedulerName?: string;
}

export interface Scheduler {
  /** Resolves when it knows all nodes and pods and has begun. */
  readonly started: Promise<void>;
  /** Takes no more pods; resolves when the bindings under way are done. */
  stop(): Promise<void>;
}

/** Starts the scheduler: watches nodes and pods, places pending pods. Idle, it makes no request and wakes for no timer. */
export function startScheduler(options: SchedulerOptions): Scheduler {
  const { client, clock, random = systemRandom, schedulerName = "default-scheduler" } = options;
  const logger = options.logger.child({ component: schedulerName });
  const informers = options.informers ?? informerFactory({ client, clock, logger, random });
  const profiles = new Map([[schedulerName, defaultProfile(schedulerName)]]);
  const loop = schedulingLoop(() => context);
  const podInformer = informers.informer(RESOURCES.pods);
  const nodeInformer = informers.informer(RESOURCES.nodes);
  const context: SchedulerContext = {
    client,
    clock,
    logger,
    random,
    events: eventRecorder({ client, clock, logger, component: schedulerName }),
    cluster: clusterState(),
    queue: schedulingQueue({
      clock,
      interests: interestsOf(profiles.values()),
      gated: ({ pod }) => profileOf(context, pod)?.preEnqueues.some((plugin) => plugin.preEnqueue(pod)) ?? true,
      onReady: () => started && loop.wake(),
    }),
    profiles,
    assumed: new Set(),
    explanations: explanations(),
    currentPod: (key) => podInformer.cache.get(key),
  };
  let started = false;
  let stopped = false;
  const unsubscribe: (() => void)[] = [];
  const begin = async (): Promise<void> => {
    await Promise.all([nodeInformer.whenSynced(), podInformer.whenSynced()]);
    if (stopped) return;
    unsubscribe.push(nodeInformer.addHandler(nodeHandler(context)), podInformer.addHandler(podHandler(context)));
    started = true;
    loop.wake();
  };
  const beginning = begin();
  beginning.catch(() => undefined);
  return {
    started: beginning,
    async stop() {
      stopped = true;
      for (const off of unsubscribe) off();
      context.queue.stop();
      await loop.stop();
      context.events.stop();
      if (!options.informers) informers.stop();
    },
  };
}

/** What the plugins of all profiles wait for, by plugin. */
function interestsOf(profiles: Iterable<Profile>): Map<string, readonly EventInterest[]> {
  const interests = new Map<string, readonly EventInterest[]>();
  for (const profile of profiles) {
    for (const plugin of profile.filters) if (plugin.events) interests.set(plugin.name, plugin.events);
  }
  return interests;
}
