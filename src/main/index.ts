// The package's library entry: what tests and tools of others import.
export { createCluster, type Cluster, type ClusterFaults, type ClusterOptions } from "./create-cluster.ts";
export {
  startScheduler,
  type Cycle,
  type EventInterest,
  type PermitResult,
  type PostFilterResult,
  type PreFilterResult,
  type ProfileConfig,
  type RowFilter,
  type RowScorer,
  type Scheduler,
  type SchedulerOptions,
  type SchedulerPlugin,
  type Verdict,
} from "#kube-control/scheduler.ts";
export { RESOURCES } from "#formats/kube-resources.ts";
export type { KubeClient } from "#kube-client/client.ts";
export type { KubeObject, Resource, Typed } from "#formats/kube-object.ts";
export { GantryError, isGantryError, type ErrorCode } from "#base/errors.ts";
export { virtualClock, type VirtualClock } from "#base/clock.ts";
export { seededRandom, type Random } from "#base/random.ts";
