import type { Container as EngineContainer } from "#containers/engine.ts";
import type { Container, Pod } from "#formats/kube-types.generated.ts";
import type { NodeDeps } from "../ports.ts";
import type { TokenSource } from "../volumes/files.ts";
import type { PreparedVolumes } from "../volumes/pod-volumes.ts";
import type { ContainerUsers } from "./container-users.ts";
import type { CrashBackoff } from "./crash-backoff.ts";
import { isRunning, observePod, type ObservedPod } from "./observed.ts";
import type { ProbeSet } from "./probe-set.ts";
import type { ImagePuller } from "./pull-image.ts";
import type { Amounts } from "./resize.ts";
import { podStatus } from "./status.ts";
import type { PodFailure, ResizeState, Waiting } from "./status-inputs.ts";
import type { StatusWriter } from "./status-writer.ts";

export interface WorkerDeps extends NodeDeps {
  readonly containersOf: (uid: string) => readonly EngineContainer[];
  readonly allCapabilities: readonly string[];
  /** What the node's other pods request. */
  readonly othersRequest: (uid: string) => Amounts;
  /** Nothing of the pod is left on this node. */
  readonly onGone: (uid: string) => void;
}

/**
 * What a worker knows of its pod besides what the engine and the API say. Only the worker's own loop changes it. None of it needs to
 * survive a restart: it is rebuilt from what runs.
 */
export interface PodState {
  readonly deps: WorkerDeps;
  readonly uid: string;
  pod: Pod;
  /** `orphaned`: the API no longer has the pod; `withdrawn`: the manifest of a static pod is gone. */
  mode: "run" | "orphaned" | "withdrawn" | "closed" | "gone";
  readonly backoff: CrashBackoff;
  readonly puller: ImagePuller;
  readonly tokens: TokenSource;
  readonly writer: StatusWriter;
  readonly probes: ProbeSet;
  /** Why containers do not run yet, by name. */
  readonly waiting: Map<string, Waiting>;
  /** When a sandbox may be tried again, and how often it failed. */
  sandboxNotBefore: number;
  sandboxFailures: number;
  /** When a container that could not be started may be tried again, by name. */
  readonly retryAt: Map<string, number>;
  /** Last words of runs that ended, by container id. */
  readonly lastWords: Map<string, string>;
  /** Who the containers run as. */
  readonly users: ContainerUsers;
  /** Resources that were changed and are not all in place. */
  resize: ResizeState | undefined;
  /** When a change that failed may be tried again. */
  resizeNotBefore: number;
  /** The kubelet ended the pod: past its deadline, evicted. */
  failure: PodFailure | undefined;
  prepared: PreparedVolumes | undefined;
  /** Labels and annotations that the prepared files show. */
  preparedFor: string;
  filesAreStale: boolean;
  stamp: number;
  /** Fires when the pod is to end: pulls and waits are given up. */
  readonly aborter: AbortController;
  /** Looks at the pod again at this time; replaces an earlier wish. */
  wakeAt(at: number): void;
}

export function endIsDue(state: PodState): boolean {
  return state.mode === "orphaned" || state.mode === "withdrawn" || state.pod.metadata.deletionTimestamp !== undefined;
}

export function observe({ deps, uid }: PodState): ObservedPod {
  return observePod(uid, deps.containersOf(uid));
}

export function podIps({ deps, pod }: PodState, observed: ObservedPod): string[] {
  if (pod.spec?.hostNetwork) return [...deps.config.ips];
  const endpoint = isRunning(observed.sandbox) ? observed.sandbox?.endpoints[0] : undefined;
  return endpoint ? [endpoint.ipv4, endpoint.ipv6].filter((ip) => ip !== "") : [];
}

/** Tells the API how the pod stands. */
export function report(state: PodState, observed: ObservedPod): void {
  const { deps, pod, probes, waiting, writer } = state;
  if (state.mode !== "run") return;
  const status = podStatus(pod, observed, {
    before: writer.latest(),
    now: deps.clock.now(),
    hostIps: deps.config.ips,
    podIps: podIps(state, observed),
    imageId: (container) => imageIdOf(deps, container),
    waiting: (name) => waiting.get(name),
    ready: probes.ready,
    started: probes.started,
    failure: state.failure,
    terminationMessage: (id) => state.lastWords.get(id),
    user: (container) => state.users.of(container),
    ending: endIsDue(state),
    resize: state.resize,
  });
  writer.set(pod, status);
}

export function allContainers(pod: Pod): Container[] {
  return [
    ...(pod.spec?.containers ?? []),
    ...(pod.spec?.initContainers ?? []),
    ...((pod.spec?.ephemeralContainers ?? []) as Container[]),
  ];
}

function imageIdOf({ images }: NodeDeps, container: EngineContainer): string {
  const id = container.config.imageId;
  if (id === undefined) return "";
  return images.find(id)?.digests[0] ?? id;
}

/** What of a pod's document its files may show. */
export function filesVersion({ pod }: Pick<PodState, "pod">): string {
  return JSON.stringify([pod.metadata.labels, pod.metadata.annotations]);
}
