/** One reading of a container or a node. Processor time only ever grows. */
export interface UsageReading {
  /** Epoch milliseconds. */
  readonly atMs: number;
  /** Since when `cpuNanos` counts, when it is known. */
  readonly startedAtMs?: number;
  readonly cpuNanos: number;
  /** The working set: without what the kernel can take back at once. */
  readonly memoryBytes: number;
}

export interface PodReading {
  readonly namespace: string;
  readonly name: string;
  readonly containers: readonly (UsageReading & { readonly name: string })[];
}

export interface NodeReading {
  readonly name: string;
  readonly usage: UsageReading;
  readonly pods: readonly PodReading[];
}

/** What the API server needs of the nodes to serve metrics.k8s.io. main/ plugs it in. */
export interface MetricsSource {
  /** Reads every node that answers, now. */
  read(): Promise<readonly NodeReading[]>;
}
