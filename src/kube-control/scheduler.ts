import type { Clock } from "#base/clock.ts";
import { GantryError } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import { systemRandom, type Random } from "#base/random.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { KubeClient } from "#kube-client/client.ts";
import { eventRecorder } from "#kube-client/events.ts";
import { informerFactory, type InformerFactory } from "#kube-client/informer-factory.ts";
import { clusterState } from "./scheduler/cluster/cluster-state.ts";
import { imageTable } from "./scheduler/cluster/images.ts";
import { namespaceTable } from "./scheduler/cluster/namespaces.ts";
import { podInfo } from "./scheduler/cluster/pod-info.ts";
import { podCounts } from "./scheduler/cluster/pod-groups.ts";
import { buildProfile, type ProfileConfig } from "./scheduler/config/build-profile.ts";
import type { Plugin, PluginParts } from "./scheduler/config/registry.ts";
import { fitCheck } from "./scheduler/framework/decide.ts";
import { httpExtender } from "./scheduler/extenders/http-extender.ts";
import type { ExtenderConfig } from "./scheduler/extenders/extender.ts";
import type { Cycle, EventInterest, QueueSortPlugin } from "./scheduler/framework/plugin.ts";
import { bindByApi } from "./scheduler/run/bind.ts";
import { bindingSlots } from "./scheduler/run/binding-slots.ts";
import { likePods } from "./scheduler/framework/like-pods.ts";
import type { Profile } from "./scheduler/framework/profile.ts";
import { schedulingQueue } from "./scheduler/queue/scheduling-queue.ts";
import { profileOf, type ObservedDecision, type SchedulerContext } from "./scheduler/run/context.ts";
import { evictFor } from "./scheduler/run/evict.ts";
import { explanations } from "./scheduler/run/explanations.ts";
import { schedulingLoop } from "./scheduler/run/loop.ts";
import { nodeHandler } from "./scheduler/run/node-events.ts";
import { podHandler } from "./scheduler/run/pod-events.ts";
import { namespaceHandler } from "./scheduler/run/namespace-events.ts";
import { volumeHandlers } from "./scheduler/run/volume-events.ts";
import { volumeBindings, volumeLookup } from "./scheduler/run/volumes.ts";
import { workloadSelectors } from "./scheduler/run/workloads.ts";
import { explain, type SchedulingExplanation } from "./scheduler/why/explain.ts";

export type { SchedulingExplanation } from "./scheduler/why/explain.ts";
export type { Plugin as SchedulerPlugin } from "./scheduler/config/registry.ts";
export type {
  Cycle,
  EventInterest,
  PermitResult,
  PostFilterResult,
  PreFilterResult,
  RowFilter,
  RowScorer,
} from "./scheduler/framework/plugin.ts";
export type { Verdict } from "./scheduler/framework/verdict.ts";
export type { ProfileConfig } from "./scheduler/config/build-profile.ts";

export interface SchedulerOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random?: Random;
  /** Shared with other components of the process; the scheduler's own otherwise. */
  readonly informers?: InformerFactory;
  /** One for each spec.schedulerName that it serves; `default-scheduler` with the default plugins if not given. */
  readonly profiles?: readonly ProfileConfig[];
  readonly podInitialBackoffMs?: number;
  readonly podMaxBackoffMs?: number;
  /** Plugins that are not Gantry's own, by name: what a profile enables is made of these, too. */
  readonly plugins?: Readonly<Record<string, (args: object) => Plugin>>;
  /** Services that are asked about pods, too. */
  readonly extenders?: readonly ExtenderConfig[];
  /** Told of every decision: for measurements. */
  readonly observe?: (decision: ObservedDecision) => void;
}

export interface Scheduler {
  /** Resolves when it knows all nodes and pods and has begun. */
  readonly started: Promise<void>;
  /** Why a pod is where it is, or nowhere, and what would let it run; undefined for a pod that is not there or another scheduler's. */
  why(namespace: string, name: string): SchedulingExplanation | undefined;
  /** Takes no more pods; resolves when the bindings under way are done. */
  stop(): Promise<void>;
}

const DEFAULT_PROFILES: readonly ProfileConfig[] = [{ schedulerName: "default-scheduler" }];

/** Starts the scheduler: watches nodes and pods, places pending pods. Idle, it makes no request and wakes for no timer. */
export function startScheduler(options: SchedulerOptions): Scheduler {
  const { client, clock, random = systemRandom, profiles = DEFAULT_PROFILES } = options;
  const logger = options.logger.child({ component: "scheduler" });
  const informers = options.informers ?? informerFactory({ client, clock, logger, random });
  const pods = informers.informer(RESOURCES.pods);
  const nodes = informers.informer(RESOURCES.nodes);
  const namespaces = informers.informer(RESOURCES.namespaces);
  const context = makeContext(options, informers, profiles, () => started && loop.wake());
  const loop = schedulingLoop(() => context);
  let started = false;
  let stopped = false;
  const unsubscribe: (() => void)[] = [];
  const begin = async (): Promise<void> => {
    await informers.whenSynced();
    if (stopped) return;
    unsubscribe.push(
      namespaces.addHandler(namespaceHandler(context)),
      nodes.addHandler(nodeHandler(context)),
      pods.addHandler(podHandler(context)),
      ...volumeHandlers(context, informers),
    );
    started = true;
    loop.wake();
  };
  const beginning = begin();
  beginning.catch(() => undefined);
  return {
    started: beginning,
    why(namespace, name) {
      const pod = context.currentPod(`${namespace}/${name}`);
      const profile = pod && profileOf(context, pod);
      if (!pod || !profile) return undefined;
      const info = podInfo(pod);
      return explain(context.explanations.get(info.uid), { profile, cluster: context.cluster, info });
    },
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

function makeContext(
  options: SchedulerOptions,
  informers: InformerFactory,
  configs: readonly ProfileConfig[],
  onReady: () => void,
): SchedulerContext {
  const { client, clock, logger, random = systemRandom } = options;
  const cluster = clusterState();
  const namespaces = namespaceTable();
  const counts = podCounts(cluster);
  const budgets = informers.informer(RESOURCES.poddisruptionbudgets);
  const pods = informers.informer(RESOURCES.pods);
  const profiles = new Map<string, Profile>();
  const extenders = (options.extenders ?? []).map(httpExtender);
  const parts = (schedulerName: string): PluginParts => ({
    random,
    cluster,
    counts,
    namespaces,
    images: imageTable(cluster),
    workloadSelector: workloadSelectors(informers),
    volumes: volumeLookup(informers),
    bindVolumes: volumeBindings(client, informers, clock),
    extenders,
    ignoredResources: (options.extenders ?? []).flatMap(({ managedResources }) =>
      managedResources.filter(({ ignoredByScheduler }) => ignoredByScheduler).map(({ name }) => name),
    ),
    bindPod: (pod, nodeName) => bindByApi(client, pod, nodeName),
    budgets: () => Array.from(budgets.cache.values()),
    fits: (cycle) => fitsOn(profiles.get(schedulerName), cycle),
    evict: (preemptor, victims, nodeName) => evictFor(context, preemptor, victims, nodeName),
  });
  for (const config of configs) {
    profiles.set(config.schedulerName, buildProfile(config, parts(config.schedulerName), options.plugins));
  }
  const [component = "default-scheduler"] = profiles.keys();
  const context: SchedulerContext = {
    client,
    clock,
    logger,
    random,
    events: eventRecorder({ client, clock, logger, component }),
    cluster,
    namespaces,
    counts,
    queue: schedulingQueue({
      clock,
      interests: interestsOf(profiles.values()),
      sort: oneSort(profiles.values()),
      gated: ({ pod }) => profileOf(context, pod)?.preEnqueues.find((plugin) => plugin.preEnqueue(pod))?.name,
      onReady,
      initialBackoffMs: options.podInitialBackoffMs,
      maxBackoffMs: options.podMaxBackoffMs,
    }),
    profiles,
    likePods: new Map(Array.from(profiles.values(), (profile) => [profile, likePods(profile)])),
    assumed: new Set(),
    explanations: explanations(),
    extenders,
    bindings: bindingSlots(onReady),
    observe: options.observe,
    currentPod: (key) => pods.cache.get(key),
  };
  return context;
}

function fitsOn(profile: Profile | undefined, cycle: Cycle): ReturnType<typeof fitCheck> {
  return profile ? fitCheck(profile, cycle) : { fits: () => undefined, local: false };
}

function oneSort(profiles: Iterable<Profile>): QueueSortPlugin | undefined {
  const [first, ...others] = profiles;
  const other = others.find(({ queueSort }) => queueSort.name !== first?.queueSort.name);
  if (other)
    throw new GantryError("invalid", "scheduler configuration: profiles: must have the same queue sort plugin");
  return first?.queueSort;
}

/** What the plugins of all profiles wait for, by plugin. */
function interestsOf(profiles: Iterable<Profile>): Map<string, readonly EventInterest[]> {
  const interests = new Map<string, readonly EventInterest[]>();
  for (const profile of profiles) {
    for (const plugin of [...profile.preEnqueues, ...profile.filters]) {
      if (plugin.events) interests.set(plugin.name, plugin.events);
    }
  }
  return interests;
}
