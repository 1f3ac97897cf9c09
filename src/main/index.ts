// The package's library entry: what tests and tools of others import.
export { createCluster, type Cluster, type ClusterOptions } from "./create-cluster.ts";
export { RESOURCES } from "#formats/kube-resources.ts";
export type { KubeClient } from "#kube-client/client.ts";
export type { KubeObject, Resource, Typed } from "#formats/kube-object.ts";
export { GantryError, isGantryError, type ErrorCode } from "#base/errors.ts";
