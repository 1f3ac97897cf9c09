import type { Container as EngineContainer } from "#containers/engine.ts";
import type { LinuxContainerUser, PodStatus } from "#formats/kube-types.generated.ts";

/** Why a container is not running yet, in Kubernetes' words. */
export interface Waiting {
  readonly reason: string;
  readonly message?: string;
}

export interface StatusInputs {
  /**
   * The last status of our own, which the pod as it is known may not have yet: times taken from an older one would go back and forth
   * with each echo of a write. Undefined: none since the start.
   */
  readonly before?: PodStatus | undefined;
  readonly now: number;
  readonly hostIps: readonly [string, ...string[]];
  readonly podIps: readonly string[];
  readonly imageId: (container: EngineContainer) => string;
  /** The present hindrance of a container, by name: image pull, back-off, configuration. */
  readonly waiting: (containerName: string) => Waiting | undefined;
  /** Outcome of the readiness probe (true without one) and the startup probe, for this run. */
  readonly ready: (containerId: string) => boolean;
  readonly started: (containerId: string) => boolean;
  /** Why the pod as a whole failed. */
  readonly failure?: PodFailure | undefined;
  /** What the container wrote to its termination message file, if anything. */
  readonly terminationMessage?: (containerId: string) => string | undefined;
  /** Who the container's first process runs as. */
  readonly user?: (container: EngineContainer) => LinuxContainerUser | undefined;
  /** The pod was told to end: what has stopped will not run again. */
  readonly ending?: boolean;
  readonly resize?: ResizeState | undefined;
}

/** How far the kubelet is with resources that were changed in place. */
export type ResizeState =
  | { readonly kind: "pending"; readonly reason: "Deferred" | "Infeasible"; readonly message: string }
  | { readonly kind: "in-progress"; readonly reason?: "Error"; readonly message?: string };

/** A pod that the kubelet ended: past its deadline, evicted. */
export interface PodFailure {
  readonly reason: string;
  readonly message: string;
  /** How long its containers have; the pod's own grace by default. */
  readonly graceSeconds?: number;
  /** The pod could not help it (condition DisruptionTarget): a Job does not count it against its back-off limit. */
  readonly isDisruption?: boolean;
}

/** Kubernetes' time format: RFC 3339 in whole seconds. */
export function timestamp(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 19)}Z`;
}
