import type { Places } from "#base/places.ts";

/** What `gantry scheduler` may be told; paths are absolute. Undefined: as the configuration says, or the default. */
export interface SchedulerServing {
  readonly config?: string;
  readonly kubeconfig?: string;
  readonly leaderElect?: boolean;
  readonly leaderElectResourceName?: string;
  readonly leaderElectResourceNamespace?: string;
  readonly schedulerName?: string;
  /** Modules whose exports are plugins of others, by name. */
  readonly plugins?: readonly string[];
  readonly logLevel: string;
  /** Fires to end it. */
  readonly signal: AbortSignal;
}

/** What `gantry plan` may be told. */
export interface PlanRequest {
  /** Manifests: each the text of one file (YAML or JSON, several documents). */
  readonly manifests: readonly { readonly path: string; readonly text: string }[];
  /** Nodes to add: `500x8cpu32Gi,zone=3`. */
  readonly nodes: readonly string[];
  /** The cluster whose nodes and pods are there already. */
  readonly fromCluster?: { readonly kubeconfig?: string; readonly places: Places };
  /** For objects that do not say theirs. */
  readonly namespace: string;
  readonly config?: string;
}

export interface PlannedPod {
  readonly namespace: string;
  readonly name: string;
  /** `Deployment/web`; undefined for a pod of its own. */
  readonly workload?: string;
  /** Undefined: it does not fit. */
  readonly node?: string;
  /** Why it does not, in the scheduler's words. */
  readonly message?: string;
}

export interface PlannedNode {
  readonly name: string;
  readonly pods: number;
  /** Requested and there is, by resource: cpu in cores, memory in bytes. */
  readonly cpu: { readonly requested: number; readonly allocatable: number };
  readonly memory: { readonly requested: number; readonly allocatable: number };
  readonly labels: Readonly<Record<string, string>>;
}

export interface Plan {
  /** The pods of the manifests. */
  readonly pods: readonly PlannedPod[];
  /** All nodes, with everything that would be on them. */
  readonly nodes: readonly PlannedNode[];
  /** Pods that are there and would have to go. */
  readonly preempted: readonly { readonly namespace: string; readonly name: string; readonly node: string }[];
  /** Milliseconds from the first pod made to the last one decided. */
  readonly tookMs: number;
}

/** The scheduling verbs' side of `CliPorts`. */
export interface SchedulingPorts {
  /** Runs a scheduler until `signal` fires or it loses the lead; resolves with the exit code. */
  runScheduler(serving: SchedulerServing): Promise<number>;
  plan(request: PlanRequest): Promise<Plan>;
}
