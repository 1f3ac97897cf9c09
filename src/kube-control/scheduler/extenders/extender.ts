import type { Node } from "#formats/kube-types.generated.ts";
import type { PodInfo } from "../cluster/pod-info.ts";

/** One entry of `extenders` in a KubeSchedulerConfiguration: a service that is asked about pods over HTTP. */
export interface ExtenderConfig {
  readonly urlPrefix: string;
  /** Appended to the prefix; "" for what the extender does not do. */
  readonly filterVerb: string;
  readonly preemptVerb: string;
  readonly prioritizeVerb: string;
  readonly bindVerb: string;
  /** Of its scores (0 to 10), beside those of the plugins. */
  readonly weight: number;
  readonly enableHttps: boolean;
  readonly tls: ExtenderTls;
  readonly timeoutMs: number;
  /** It knows the nodes and is sent their names only. */
  readonly nodeCacheCapable: boolean;
  /** Only pods that ask for one of these concern it; empty: all do. */
  readonly managedResources: readonly { readonly name: string; readonly ignoredByScheduler: boolean }[];
  /** When it cannot be reached, scheduling goes on without it. */
  readonly ignorable: boolean;
}

export interface ExtenderTls {
  readonly insecure: boolean;
  readonly serverName: string | undefined;
  /** PEM texts. */
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly ca: string | undefined;
}

/** What an extender's filter makes of nodes: those that pass, and what it says against others. */
export interface ExtenderFilterResult {
  readonly passed: ReadonlySet<string>;
  readonly failed: ReadonlyMap<string, string>;
  /** Taking other pods away would not help there. */
  readonly unresolvable: ReadonlyMap<string, string>;
}

/** Pods that would have to leave a node, by uid. */
export interface ExtenderVictims {
  readonly uids: readonly string[];
  readonly budgetViolations: number;
}

/** An extender as the scheduler uses it; a verb that it does not have is undefined. Failures are GantryErrors. */
export interface Extender {
  readonly name: string;
  readonly ignorable: boolean;
  readonly weight: number;
  concerns(pod: PodInfo): boolean;
  readonly filter: ((pod: PodInfo, nodes: readonly Node[]) => Promise<ExtenderFilterResult>) | undefined;
  /** Scores by node name, 0 to 10. */
  readonly prioritize: ((pod: PodInfo, nodes: readonly Node[]) => Promise<ReadonlyMap<string, number>>) | undefined;
  /** Of the nodes that could be made room on, those that it agrees with, and which pods would have to go. */
  readonly preempt:
    | ((
        pod: PodInfo,
        candidates: ReadonlyMap<string, { readonly pods: readonly PodInfo[]; readonly budgetViolations: number }>,
      ) => Promise<ReadonlyMap<string, ExtenderVictims>>)
    | undefined;
  readonly bind: ((pod: PodInfo, nodeName: string) => Promise<void>) | undefined;
}

/** Scores of extenders go to 10, those of plugins to 100. */
export const EXTENDER_SCALE = 10;
