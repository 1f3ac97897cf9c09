import type { Random } from "#base/random.ts";
import type { Pod, PodDisruptionBudget } from "#formats/kube-types.generated.ts";
import type { Selector } from "#formats/selectors.ts";
import type { ClusterState } from "../cluster/cluster-state.ts";
import type { ImageTable } from "../cluster/images.ts";
import type { NamespaceTable } from "../cluster/namespaces.ts";
import type { PodCounts } from "../cluster/pod-groups.ts";
import type { PodInfo } from "../cluster/pod-info.ts";
import type { Extender } from "../extenders/extender.ts";
import type {
  BindPlugin,
  Cycle,
  FilterPlugin,
  PermitPlugin,
  PostFilterPlugin,
  PreEnqueuePlugin,
  QueueSortPlugin,
  ReservePlugin,
  ScorePlugin,
} from "../framework/plugin.ts";
import { defaultBinderPlugin, type BindPod } from "../plugins/default-binder.ts";
import { imageLocalityPlugin } from "../plugins/image-locality.ts";
import { nodeAffinityPlugin, type AddedAffinity } from "../plugins/node-affinity.ts";
import { nodeNamePlugin } from "../plugins/node-name.ts";
import { nodePortsPlugin } from "../plugins/node-ports.ts";
import { balancedAllocationPlugin } from "../plugins/node-resources/balanced-allocation.ts";
import { nodeResourcesFitPlugin, type FitArgs } from "../plugins/node-resources/fit.ts";
import type { WeightedResource } from "../plugins/node-resources/strategies.ts";
import { nodeUnschedulablePlugin } from "../plugins/node-unschedulable.ts";
import { podAffinityPlugin, type PodAffinityArgs } from "../plugins/pod-affinity/plugin.ts";
import { preemptionPlugin, type PreemptionArgs } from "../plugins/preemption/plugin.ts";
import type { FitCheck } from "../plugins/preemption/trial.ts";
import { prioritySortPlugin } from "../plugins/priority-sort.ts";
import { schedulingGatesPlugin } from "../plugins/scheduling-gates.ts";
import { taintTolerationPlugin } from "../plugins/taint-toleration.ts";
import type { SpreadArgs } from "../plugins/topology-spread/constraints.ts";
import { topologySpreadPlugin } from "../plugins/topology-spread/plugin.ts";
import { volumeBindingPlugin, type VolumeBindingArgs, type VolumeBindingParts } from "../plugins/volumes/binding.ts";
import type { VolumeLookup } from "../plugins/volumes/lookup.ts";
import { nodeVolumeLimitsPlugin } from "../plugins/volumes/limits.ts";
import { volumeRestrictionsPlugin } from "../plugins/volumes/restrictions.ts";
import { volumeZonePlugin } from "../plugins/volumes/zone.ts";

/** What plugins are built from. */
export interface PluginParts {
  readonly random: Random;
  readonly cluster: ClusterState;
  readonly counts: PodCounts;
  readonly namespaces: NamespaceTable;
  readonly images: ImageTable;
  readonly workloadSelector: (pod: Pod) => Selector | undefined;
  readonly volumes: VolumeLookup;
  readonly bindVolumes: VolumeBindingParts["bindVolumes"];
  /** Extended resources that an extender manages and that are not checked here. */
  readonly ignoredResources: readonly string[];
  readonly budgets: () => readonly PodDisruptionBudget[];
  readonly fits: (cycle: Cycle) => FitCheck;
  readonly bindPod: BindPod;
  readonly extenders: readonly Extender[];
  readonly evict: (preemptor: PodInfo, victims: readonly PodInfo[], nodeName: string) => Promise<void>;
}

/** A plugin at whatever extension points it has. */
export type Plugin = { readonly name: string } & Partial<
  FilterPlugin &
    ScorePlugin &
    PreEnqueuePlugin &
    QueueSortPlugin &
    PostFilterPlugin &
    ReservePlugin &
    PermitPlugin &
    BindPlugin
>;

/** Makes a plugin; `args` is its part of pluginConfig, checked by `config/args.ts`. */
export type PluginFactory = (parts: PluginParts, args: never) => Plugin;

/** Plugins by name. */
export const REGISTRY: Readonly<Record<string, PluginFactory>> = {
  SchedulingGates: () => schedulingGatesPlugin,
  PrioritySort: () => prioritySortPlugin,
  NodeUnschedulable: () => nodeUnschedulablePlugin,
  NodeName: () => nodeNamePlugin,
  TaintToleration: () => taintTolerationPlugin,
  NodeAffinity: (_, args: { readonly addedAffinity?: AddedAffinity }) => nodeAffinityPlugin(args.addedAffinity),
  NodePorts: () => nodePortsPlugin,
  NodeResourcesFit: ({ cluster, ignoredResources }, args: FitArgs) =>
    nodeResourcesFitPlugin(cluster, {
      ...args,
      ignoredResources: [...(args.ignoredResources ?? []), ...ignoredResources],
    }),
  VolumeRestrictions: ({ cluster, volumes }) => volumeRestrictionsPlugin(cluster, volumes),
  NodeVolumeLimits: ({ cluster, volumes }) => nodeVolumeLimitsPlugin(cluster, volumes),
  VolumeBinding: (parts, args: VolumeBindingArgs) => volumeBindingPlugin(parts, args),
  VolumeZone: ({ volumes }) => volumeZonePlugin(volumes),
  PodTopologySpread: (parts, args: SpreadArgs) => topologySpreadPlugin(parts, args),
  InterPodAffinity: (parts, args: PodAffinityArgs) => podAffinityPlugin(parts, args),
  DefaultPreemption: (parts, args: PreemptionArgs) => preemptionPlugin(parts, args),
  NodeResourcesBalancedAllocation: (_, args: { readonly resources?: readonly WeightedResource[] }) =>
    balancedAllocationPlugin(args.resources),
  ImageLocality: ({ images }) => imageLocalityPlugin(images),
  DefaultBinder: ({ bindPod }) => defaultBinderPlugin(bindPod),
};

/** The default plugins in kube-scheduler's order, with their weights as scorers (apis/config/v1/default_plugins.go). */
export const DEFAULT_PLUGINS: readonly (readonly [name: string, weight: number])[] = [
  ["SchedulingGates", 0],
  ["PrioritySort", 0],
  ["NodeUnschedulable", 0],
  ["NodeName", 0],
  ["TaintToleration", 3],
  ["NodeAffinity", 2],
  ["NodePorts", 0],
  ["NodeResourcesFit", 1],
  ["VolumeRestrictions", 0],
  ["NodeVolumeLimits", 0],
  ["VolumeBinding", 0],
  ["VolumeZone", 0],
  ["PodTopologySpread", 2],
  ["InterPodAffinity", 2],
  ["DefaultPreemption", 0],
  ["NodeResourcesBalancedAllocation", 1],
  ["ImageLocality", 1],
  ["DefaultBinder", 0],
];
