import type {
  BindPlugin,
  FilterPlugin,
  PermitPlugin,
  PostFilterPlugin,
  PreEnqueuePlugin,
  QueueSortPlugin,
  ReservePlugin,
  ScorePlugin,
} from "./plugin.ts";

/** A plugin that has this member. */
export type Has<P, K extends keyof P> = P & Required<Pick<P, K>>;

/** A score plugin with its say in the sum. */
export interface WeightedScore {
  readonly plugin: ScorePlugin;
  readonly weight: number;
}

/** One scheduler's plugins at each extension point, in order (KubeSchedulerConfiguration, profiles). */
export interface Profile {
  readonly schedulerName: string;
  readonly preEnqueues: readonly PreEnqueuePlugin[];
  readonly filters: readonly FilterPlugin[];
  readonly postFilters: readonly PostFilterPlugin[];
  readonly scores: readonly WeightedScore[];
  readonly reserves: readonly ReservePlugin[];
  readonly permits: readonly PermitPlugin[];
  readonly preBinds: readonly Has<BindPlugin, "preBind">[];
  readonly binds: readonly Has<BindPlugin, "bind">[];
  readonly postBinds: readonly Has<BindPlugin, "postBind">[];
  readonly queueSort: QueueSortPlugin;
  /** 100: every feasible node is scored. */
  readonly percentageOfNodesToScore: number;
}
