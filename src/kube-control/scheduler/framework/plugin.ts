// The scheduling framework: kube-scheduler's extension points, as interfaces. A plugin is an object with a name and any of them.
import type { KubeObject } from "#formats/kube-object.ts";
import type { Pod } from "#formats/kube-types.generated.ts";
import type { ClusterState } from "../cluster/cluster-state.ts";
import type { PodInfo } from "../cluster/pod-info.ts";
import type { Diagnosis } from "./diagnosis.ts";
import type { Verdict } from "./verdict.ts";

/** The pod being placed and the cluster it is placed in. One value for one scheduling cycle; nothing changes while it runs. */
export interface Cycle {
  readonly cluster: ClusterState;
  readonly pod: PodInfo;
}

/** Judges one node by its row: undefined when it will do. */
export type RowFilter = (row: number) => Verdict | undefined;

/** What a filter plugin makes of a pod before it sees nodes. */
export type PreFilterResult =
  /** Nothing to check for this pod. `forNow`: only as the cluster stands, with every node passing. */
  | { readonly kind: "skip"; readonly forNow?: boolean }
  /** No node will do. */
  | { readonly kind: "reject"; readonly verdict: Verdict }
  /** `nodeNames`: only these can pass at all. */
  | { readonly kind: "filter"; readonly filter: RowFilter; readonly nodeNames?: ReadonlySet<string> };

/** PreFilter and Filter. */
export interface FilterPlugin {
  readonly name: string;
  /**
   * The verdict on a node hangs on nothing but that node (its object, and what its pods request) and on what `podSignature` tells of the pod: it is
   * kept for like pods until the node changes.
   */
  readonly local?: boolean;
  preFilter(cycle: Cycle): PreFilterResult;
  /** Events after which a pod that this plugin turned away may fit; without any, every event counts. */
  readonly events?: readonly EventInterest[];
}

/** Scores one feasible node: 0 to 100 after normalizing; more is better. */
export interface RowScorer {
  score(row: number): number;
  /** The same for many rows, for plugins that can do it faster. */
  scoreAll?(rows: Int32Array, into: Float64Array): void;
  /** NormalizeScore: turns the raw scores of all feasible nodes into 0 to 100, in place. */
  normalize?(scores: Float64Array, rows: Int32Array): void;
}

/** PreScore, Score and NormalizeScore. */
export interface ScorePlugin {
  readonly name: string;
  /** As for filters: holds for the raw score of a node. */
  readonly local?: boolean;
  /** False: this plugin has no say on the pod, and is not asked further. */
  concerns?(cycle: Cycle): boolean;
  /** Undefined: this plugin has no say on the pod. A local plugin's answer hangs on `podSignature` alone. */
  preScore(cycle: Cycle, rows: Int32Array): RowScorer | undefined;
}

/** A pod in the queue, as a queue sort sees it. */
export interface Queued {
  readonly info: PodInfo;
  readonly attempts: number;
  /** When it joined the active queue. */
  readonly queuedAtMs: number;
  readonly firstQueuedAtMs: number;
}

/** QueueSort: the order of the active queue. One for all profiles of a scheduler. */
export interface QueueSortPlugin {
  readonly name: string;
  /** Whether `a` is to be tried before `b`; of two for which neither holds, the one that came first. */
  before(a: Queued, b: Queued): boolean;
}

/** PreEnqueue: whether a pod may be scheduled at all yet. */
export interface PreEnqueuePlugin {
  readonly name: string;
  preEnqueue(pod: Pod): Verdict | undefined;
  /** Events after which a pod that it holds back is asked about again; without any, only changes of the pod itself. */
  readonly events?: readonly EventInterest[];
}

/** PostFilter: tries to make room when no node is feasible. */
export interface PostFilterPlugin {
  readonly name: string;
  postFilter(cycle: Cycle, diagnosis: Diagnosis): PostFilterResult | Promise<PostFilterResult>;
}

export interface PostFilterResult {
  /** Said after the reasons in the event. */
  readonly message: string;
  /** The node to reserve for the pod (status.nominatedNodeName); "" clears it; undefined leaves it. */
  readonly nominatedNode?: string;
  /** What to do about it: deletes pods, in the background. */
  readonly act?: () => Promise<void>;
}

/** Reserve and Unreserve: keeps what the pod will use for it, between the decision and its binding. */
export interface ReservePlugin {
  readonly name: string;
  reserve(cycle: Cycle, nodeName: string): Verdict | undefined;
  unreserve(pod: PodInfo, nodeName: string): void;
}

export type PermitResult =
  | { readonly kind: "allow" }
  | { readonly kind: "reject"; readonly verdict: Verdict }
  /** Resolves to undefined when allowed. */
  | { readonly kind: "wait"; readonly decided: Promise<Verdict | undefined>; readonly timeoutMs: number };

/** Permit: may hold a pod back until others are ready, too. */
export interface PermitPlugin {
  readonly name: string;
  permit(pod: PodInfo, nodeName: string): PermitResult;
}

/** PreBind, Bind and PostBind: the I/O. A failure sends the pod back to be scheduled anew. */
export interface BindPlugin {
  readonly name: string;
  preBind?(pod: PodInfo, nodeName: string): Promise<void>;
  /** True when this plugin bound the pod; the next one is asked otherwise. */
  bind?(pod: PodInfo, nodeName: string): Promise<boolean>;
  postBind?(pod: PodInfo, nodeName: string): void;
}

export type EventResource =
  | "AssignedPod"
  | "UnscheduledPod"
  | "TargetPod"
  | "Node"
  | "PersistentVolume"
  | "PersistentVolumeClaim"
  | "StorageClass"
  | "CSINode"
  | "CSIDriver"
  | "CSIStorageCapacity"
  | "VolumeAttachment";

/** What kind of change it was; of a node or pod also what of it changed. */
export type EventAction =
  | "Add"
  | "Delete"
  | "Update"
  | "UpdateNodeAllocatable"
  | "UpdateNodeLabel"
  | "UpdateNodeTaint"
  | "UpdateNodeUnschedulable"
  | "UpdatePodLabel"
  | "UpdatePodScaleDown"
  | "UpdatePodToleration"
  | "UpdatePodSchedulingGatesEliminated";

/** A change in the cluster that may let a waiting pod fit. */
export interface ClusterEvent {
  readonly resource: EventResource;
  readonly actions: readonly EventAction[];
  readonly before?: KubeObject;
  readonly after?: KubeObject;
}

/** An event that a plugin waits for, with its queueing hint. */
export interface EventInterest {
  readonly resource: EventResource;
  readonly actions: readonly EventAction[];
  /** False: this change does not help this pod. */
  readonly helps?: (pod: PodInfo, event: ClusterEvent) => boolean;
}
