// Upstream's scheduler_perf workloads by name and size (test/integration/scheduler_perf, */performance-config.yaml), as facts.
import type { PodName } from "./templates.ts";

export type Step =
  | { readonly op: "nodes"; readonly count: number; readonly zones?: readonly string[]; readonly named?: string }
  | { readonly op: "namespaces"; readonly prefix: string; readonly count: number; readonly team?: string }
  | {
      readonly op: "pods";
      readonly count: number;
      readonly template: PodName;
      readonly namespace?: string;
      /** Each with a CSI volume that is bound to its claim. */
      readonly volumes?: boolean;
      /** Not waited for: they cannot be placed. */
      readonly skipWait?: boolean;
      readonly measure?: boolean;
    }
  /** Each interval one object of each kind; `recreate`: the one before is deleted. */
  | {
      readonly op: "churn";
      readonly mode: "create" | "recreate";
      readonly what: readonly ("node" | "service" | PodName)[];
      readonly intervalMs: number;
    }
  | { readonly op: "delete"; readonly namespace: string; readonly perSecond: number };

export interface Workload {
  readonly name: string;
  readonly steps: (nodes: number) => readonly Step[];
  /** Pods a second; upstream's threshold for its CI is in `upstream`. */
  readonly goal: number;
  readonly upstream?: number;
  /** Nodes, when it is not 5,000. */
  readonly nodes?: number;
}

const nodes = (count: number, zones?: readonly string[]): Step => ({ op: "nodes", count, ...(zones && { zones }) });
const SCHED: Step = { op: "namespaces", prefix: "sched", count: 2 };
const ONE = ["zone1"];
const MOONS = ["moon-1", "moon-2", "moon-3"];

/** Init pods in one namespace, measured ones in another, all of one kind. */
function pair(template: PodName, init: number, measured: number, zones?: readonly string[]) {
  return (count: number): Step[] => [
    nodes(count, zones),
    SCHED,
    { op: "pods", count: init, template, namespace: "sched-0" },
    { op: "pods", count: measured, template, namespace: "sched-1", measure: true },
  ];
}

function plain(
  template: PodName,
  init: number,
  measured: number,
  first: PodName = template,
  zones?: readonly string[],
) {
  return (count: number): Step[] => [
    nodes(count, zones),
    { op: "pods", count: init, template: first },
    { op: "pods", count: measured, template, measure: true },
  ];
}

function byNamespace(template: PodName, perNamespace: number, measured: number, zones?: readonly string[]) {
  return (count: number): Step[] => [
    nodes(count, zones),
    { op: "namespaces", prefix: "init-ns", count: 100, team: "devops" },
    { op: "namespaces", prefix: "measure-ns", count: 1, team: "devops" },
    ...Array.from({ length: 100 }, (_, index): Step => {
      return { op: "pods", count: perNamespace, template, namespace: `init-ns-${index}` };
    }),
    { op: "pods", count: measured, template, namespace: "measure-ns-0", measure: true },
  ];
}

function mixed(count: number): Step[] {
  const init: PodName[] = ["default", "affinity", "antiAffinity", "preferredAffinity", "preferredAntiAffinity"];
  return [
    nodes(count, ONE),
    { op: "namespaces", prefix: "sched", count: 1 },
    ...init.map((template): Step => ({ op: "pods", count: 2000, template, namespace: "sched-0" })),
    { op: "pods", count: 5000, template: "default", measure: true },
  ];
}

function volumes(count: number): Step[] {
  return [
    nodes(count),
    { op: "pods", count: 5000, template: "default", volumes: true },
    { op: "pods", count: 5000, template: "default", volumes: true, measure: true },
  ];
}

function preemption(init: number, measured: number, withVolumes: boolean) {
  return (count: number): Step[] => [
    nodes(count),
    { op: "pods", count: init, template: "lowPriority" },
    { op: "pods", count: measured, template: "highPriority", volumes: withVolumes, measure: true },
  ];
}

function unschedulable(count: number): Step[] {
  return [
    nodes(count),
    { op: "pods", count: 100, template: "default" },
    { op: "churn", mode: "create", what: ["highPriorityLargeCpu"], intervalMs: 200 },
    { op: "pods", count: 10_000, template: "default", measure: true },
  ];
}

function churned(count: number): Step[] {
  return [
    nodes(count),
    { op: "churn", mode: "recreate", what: ["node", "highPriorityLargeCpu", "service"], intervalMs: 1000 },
    { op: "pods", count: 10_000, template: "default", measure: true },
  ];
}

function preemptionAsync(count: number): Step[] {
  return [
    nodes(count),
    { op: "pods", count: count * 4, template: "lowPriority" },
    { op: "churn", mode: "create", what: ["highPriority"], intervalMs: 200 },
    { op: "pods", count: 5000, template: "default", measure: true },
  ];
}

function daemonset(count: number): Step[] {
  return [
    { op: "nodes", count: 1, named: "scheduler-perf-node" },
    nodes(count),
    { op: "pods", count: 30_000, template: "daemonset", measure: true },
  ];
}

function gated(): Step[] {
  return [
    { op: "nodes", count: 1, named: "scheduler-perf-node" },
    { op: "pods", count: 10_000, template: "gated", skipWait: true },
    { op: "pods", count: 20_000, template: "light", namespace: "kube-public" },
    { op: "delete", namespace: "kube-public", perSecond: 50 },
    { op: "pods", count: 20_000, template: "light", measure: true },
  ];
}

export const WORKLOADS: readonly Workload[] = [
  { name: "SchedulingBasic/5000Nodes_10000Pods", steps: plain("default", 1000, 10_000), goal: 3000, upstream: 680 },
  { name: "SchedulingBasic/5000Nodes_50000Pods", steps: plain("default", 5000, 50_000), goal: 3000, upstream: 810 },
  {
    name: "SchedulingPodAntiAffinity/5000Nodes_2000Pods",
    steps: pair("antiAffinity", 1000, 2000),
    goal: 1000,
    upstream: 60,
  },
  {
    name: "SchedulingPodMatchingAntiAffinity/5000Nodes_5000Pods",
    steps: (count) => [
      nodes(count),
      SCHED,
      { op: "pods", count: 1000, template: "antiAffinity", namespace: "sched-0" },
      { op: "pods", count: 5000, template: "antiAffinityLabel", namespace: "sched-1", measure: true },
    ],
    goal: 1000,
    upstream: 595,
  },
  {
    name: "SchedulingPodAffinity/5000Nodes_5000Pods",
    steps: pair("affinity", 5000, 5000, ONE),
    goal: 1000,
    upstream: 35,
  },
  {
    name: "SchedulingPreferredPodAffinity/5000Nodes_5000Pods",
    steps: pair("preferredAffinity", 5000, 5000),
    goal: 1000,
    upstream: 90,
  },
  {
    name: "SchedulingPreferredPodAntiAffinity/5000Nodes_5000Pods",
    steps: pair("preferredAntiAffinity", 5000, 5000),
    goal: 1000,
    upstream: 90,
  },
  {
    name: "SchedulingNodeAffinity/5000Nodes_10000Pods",
    steps: plain("nodeAffinity", 5000, 10_000, "nodeAffinity", ONE),
    goal: 1000,
    upstream: 220,
  },
  {
    name: "TopologySpreading/5000Nodes_5000Pods",
    steps: plain("topologySpreading", 5000, 5000, "default", MOONS),
    goal: 1000,
    upstream: 460,
  },
  {
    name: "PreferredTopologySpreading/5000Nodes_5000Pods",
    steps: plain("preferredTopologySpreading", 5000, 5000, "default", MOONS),
    goal: 1000,
    upstream: 340,
  },
  { name: "MixedSchedulingBasePod/5000Nodes_5000Pods", steps: mixed, goal: 1000, upstream: 140 },
  {
    name: "SchedulingRequiredPodAntiAffinityWithNSSelector/5000Nodes_2000Pods",
    steps: byNamespace("antiAffinityNsSelector", 40, 2000),
    nodes: 6000,
    goal: 1000,
    upstream: 24,
  },
  {
    name: "SchedulingPreferredAntiAffinityWithNSSelector/5000Nodes_2000Pods",
    steps: byNamespace("preferredAntiAffinityNsSelector", 40, 2000),
    goal: 1000,
    upstream: 55,
  },
  {
    name: "SchedulingRequiredPodAffinityWithNSSelector/5000Nodes_2000Pods",
    steps: byNamespace("affinityNsSelector", 50, 2000, ONE),
    goal: 1000,
    upstream: 35,
  },
  {
    name: "SchedulingPreferredAffinityWithNSSelector/5000Nodes_5000Pods",
    steps: byNamespace("preferredAffinityNsSelector", 50, 5000),
    goal: 1000,
    upstream: 90,
  },
  { name: "PreemptionBasic/1000Nodes", steps: preemption(4000, 1000, false), nodes: 1000, goal: 1000 },
  { name: "PreemptionBasic/5000Nodes", steps: preemption(20_000, 5000, false), goal: 1000 },
  { name: "PreemptionPVs/5000Nodes", steps: preemption(20_000, 5000, true), goal: 1000 },
  { name: "PreemptionAsync/5000Nodes", steps: preemptionAsync, goal: 1000, upstream: 570 },
  { name: "SchedulingCSIPVs/5000Nodes_5000Pods", steps: volumes, goal: 1000, upstream: 100 },
  { name: "SchedulingSecrets/5000Nodes_10000Pods", steps: plain("secretVolume", 5000, 10_000), goal: 1000 },
  { name: "Unschedulable/5kNodes/100Init/10kPods", steps: unschedulable, goal: 1000, upstream: 590 },
  { name: "SchedulingWithMixedChurn/5000Nodes_10000Pods", steps: churned, goal: 1000, upstream: 710 },
  { name: "SchedulingDaemonset/15000Nodes", steps: daemonset, nodes: 15_000, goal: 1000, upstream: 1100 },
  { name: "SchedulingWhileGated/1Node_10000GatedPods", steps: gated, nodes: 1, goal: 1000, upstream: 910 },
];
