// metrics.k8s.io/v1beta1 (k8s.io/metrics): what nodes and pods use right now.
import type { KubeObject, Typed } from "./kube-object.ts";

/** Quantities by resource: `cpu` in cores, `memory` in bytes. */
export interface Usage {
  readonly cpu: string;
  readonly memory: string;
}

/** When it was measured (RFC 3339), and over which time (a Go duration). */
interface Measured extends KubeObject {
  timestamp: string;
  window: string;
}

export interface NodeMetrics extends Measured {
  usage: Usage;
}

export interface ContainerMetrics {
  readonly name: string;
  readonly usage: Usage;
}

export interface PodMetrics extends Measured {
  containers: readonly ContainerMetrics[];
}

const GROUP = { group: "metrics.k8s.io", version: "v1beta1" };

export const NODE_METRICS: Typed<NodeMetrics> = { ...GROUP, resource: "nodes", kind: "NodeMetrics", namespaced: false };
export const POD_METRICS: Typed<PodMetrics> = { ...GROUP, resource: "pods", kind: "PodMetrics", namespaced: true };
