import type { Container as EngineContainer } from "#containers/engine.ts";
import type {
  Container,
  ContainerState,
  ContainerStateTerminated,
  ContainerStatus,
  Pod,
  PodCondition,
  PodStatus,
} from "#formats/kube-types.generated.ts";
import { exitOf, isRunning, type ObservedPod } from "./observed.ts";
import { restartCountOf } from "./labels.ts";
import { isDone, isSidecar, shouldRestart } from "./plan.ts";
import { qosClass } from "./qos.ts";

/** Why a container is not running yet, in Kubernetes' words. */
export interface Waiting {
  readonly reason: string;
  readonly message?: string;
}

export interface StatusInputs {
  readonly now: number;
  readonly hostIp: string;
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
}

/** A pod that the kubelet ended: past its deadline, evicted. */
export interface PodFailure {
  readonly reason: string;
  readonly message: string;
}

/** Pure: the status that the kubelet reports. Conditions that others own are kept; times move only when a status does. */
export function podStatus(pod: Pod, observed: ObservedPod, inputs: StatusInputs): PodStatus {
  const init = (pod.spec?.initContainers ?? []).map((container) =>
    containerStatus(pod, container, observed, inputs, true),
  );
  const containers = (pod.spec?.containers ?? []).map((container) =>
    containerStatus(pod, container, observed, inputs, false),
  );
  const ephemeral = (pod.spec?.ephemeralContainers ?? []).map((container) =>
    containerStatus(pod, container as Container, observed, inputs, false),
  );
  const phase = inputs.failure ? "Failed" : podPhase(pod, observed, init);
  const ips = inputs.podIps;
  const [podIp] = ips;
  return {
    phase,
    ...inputs.failure,
    conditions: conditions(pod, phase, observed, init, containers, inputs),
    hostIP: inputs.hostIp,
    hostIPs: [{ ip: inputs.hostIp }],
    ...(podIp === undefined ? {} : { podIP: podIp, podIPs: ips.map((ip) => ({ ip })) }),
    startTime: pod.status?.startTime ?? timestamp(inputs.now),
    qosClass: pod.status?.qosClass ?? qosClass(pod),
    ...(init.length > 0 ? { initContainerStatuses: init } : {}),
    containerStatuses: containers,
    ...(ephemeral.length > 0 ? { ephemeralContainerStatuses: ephemeral } : {}),
  };
}

/** Kubernetes' time format: RFC 3339 in whole seconds. */
export function timestamp(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 19)}Z`;
}

function podPhase(pod: Pod, observed: ObservedPod, init: readonly ContainerStatus[]): string {
  if (isDone(pod, observed)) {
    const failedInit = (pod.spec?.initContainers ?? []).some(
      (container) => !isSidecar(container) && (exitOf(observed.current.get(container.name))?.code ?? 0) !== 0,
    );
    const failed = (pod.spec?.containers ?? []).some(
      ({ name }) => (exitOf(observed.current.get(name))?.code ?? 0) !== 0,
    );
    return failedInit || failed ? "Failed" : "Succeeded";
  }
  const initDone = init.every((status, index) => initialized(pod.spec?.initContainers?.[index], status));
  const anyStarted = (pod.spec?.containers ?? []).some(
    ({ name }) =>
      isRunning(observed.current.get(name)) || exitOf(observed.current.get(name)) || observed.previous.has(name),
  );
  return initDone && anyStarted && allMade(pod, observed) ? "Running" : "Pending";
}

/** Kubernetes calls a pod Running when all its containers have been made and at least one runs or is about to run again. */
function allMade(pod: Pod, observed: ObservedPod): boolean {
  return (pod.spec?.containers ?? []).every(({ name }) => {
    const found = observed.current.get(name);
    return observed.previous.has(name) || (found !== undefined && found.state.status !== "created");
  });
}

function initialized(container: Container | undefined, status: ContainerStatus): boolean {
  return container && isSidecar(container) ? status.started === true : status.state?.terminated?.exitCode === 0;
}

function containerStatus(
  pod: Pod,
  container: Container,
  observed: ObservedPod,
  inputs: StatusInputs,
  init: boolean,
): ContainerStatus {
  const found = observed.current.get(container.name);
  const before = observed.previous.get(container.name);
  const waiting = inputs.waiting(container.name);
  const base = {
    name: container.name,
    image: container.image ?? "",
    imageID: found ? inputs.imageId(found) : "",
    restartCount: found ? restartCountOf(found) : 0,
    lastState: {},
    ready: false,
    started: false,
  };
  if (found && isRunning(found) && found.state.status !== "created") {
    const started = inputs.started(found.id);
    return {
      ...base,
      containerID: containerId(found),
      state: stateOf(found, inputs),
      lastState: before ? stateOf(before, inputs) : {},
      started,
      ready: init && !isSidecar(container) ? false : started && inputs.ready(found.id),
    };
  }
  const exit = exitOf(found);
  if (found && exit) {
    const again = shouldRestart(pod, container, exit.code, init) && pod.metadata.deletionTimestamp === undefined;
    const state = again && waiting ? { waiting } : stateOf(found, inputs);
    return {
      ...base,
      containerID: containerId(found),
      state,
      lastState: again && waiting ? stateOf(found, inputs) : before ? stateOf(before, inputs) : {},
      ready: init && exit.code === 0,
    };
  }
  return {
    ...base,
    state: { waiting: waiting ?? defaultWaiting(pod, observed, init) },
    lastState: before ? stateOf(before, inputs) : {},
  };
}

function defaultWaiting(pod: Pod, observed: ObservedPod, init: boolean): Waiting {
  const pendingInit = (pod.spec?.initContainers ?? []).some(
    (container) => !isSidecar(container) && exitOf(observed.current.get(container.name))?.code !== 0,
  );
  return { reason: !init && pendingInit ? "PodInitializing" : "ContainerCreating" };
}

function containerId(container: EngineContainer): string {
  return `gantry://${container.id}`;
}

function stateOf(container: EngineContainer, inputs: StatusInputs): ContainerState {
  if (container.state.status === "running" || container.state.status === "paused")
    return { running: { startedAt: timestamp(container.state.startedAt) } };
  const exit = exitOf(container);
  if (!exit) return { waiting: { reason: "ContainerCreating" } };
  return { terminated: terminated(container, exit, inputs) };
}

function terminated(
  container: EngineContainer,
  exit: NonNullable<ReturnType<typeof exitOf>>,
  inputs: StatusInputs,
): ContainerStateTerminated {
  const neverStarted = exit.error !== "";
  const message = neverStarted ? exit.error : inputs.terminationMessage?.(container.id);
  return {
    exitCode: exit.code,
    reason: exit.oomKilled ? "OOMKilled" : neverStarted ? "StartError" : exit.code === 0 ? "Completed" : "Error",
    ...(message ? { message } : {}),
    startedAt: timestamp(exit.startedAt),
    finishedAt: timestamp(exit.at),
    containerID: containerId(container),
  };
}

function conditions(
  pod: Pod,
  phase: string,
  observed: ObservedPod,
  init: readonly ContainerStatus[],
  containers: readonly ContainerStatus[],
  inputs: StatusInputs,
): PodCondition[] {
  const done = phase === "Succeeded" || phase === "Failed";
  const unready = containers.filter((status) => !status.ready).map((status) => status.name);
  const uninitialized = init
    .filter((status, index) => !initialized(pod.spec?.initContainers?.[index], status))
    .map((status) => status.name);
  const containersReady: Partial<PodCondition> =
    phase === "Succeeded"
      ? { status: "False", reason: "PodCompleted" }
      : phase === "Failed"
        ? { status: "False", reason: "PodFailed" }
        : unready.length > 0
          ? {
              status: "False",
              reason: "ContainersNotReady",
              message: `containers with unready status: [${unready.join(" ")}]`,
            }
          : { status: "True" };
  const gates = (pod.spec?.readinessGates ?? []).filter(
    ({ conditionType }) => pod.status?.conditions?.find(({ type }) => type === conditionType)?.status !== "True",
  );
  const ready: Partial<PodCondition> =
    containersReady.status === "True" && gates.length > 0
      ? {
          status: "False",
          reason: "ReadinessGatesNotReady",
          message: gates
            .map(
              ({ conditionType }) =>
                `corresponding condition of pod readiness gate "${conditionType}" does not exist or is not "True".`,
            )
            .join(", "),
        }
      : containersReady;
  const own: Record<string, Partial<PodCondition>> = {
    PodReadyToStartContainers: { status: isRunning(observed.sandbox) && inputs.podIps.length > 0 ? "True" : "False" },
    Initialized:
      uninitialized.length === 0 || phase === "Succeeded"
        ? { status: "True", ...(phase === "Succeeded" ? { reason: "PodCompleted" } : {}) }
        : {
            status: "False",
            reason: "ContainersNotInitialized",
            message: `containers with incomplete status: [${uninitialized.join(" ")}]`,
          },
    Ready: ready,
    ContainersReady: containersReady,
  };
  if (!done && pod.status?.conditions?.every(({ type }) => type !== "PodScheduled"))
    own["PodScheduled"] = { status: "True" };
  const others = (pod.status?.conditions ?? []).filter(({ type }) => !(type in own));
  return [...Object.entries(own).map(([type, condition]) => settled(pod, type, condition, inputs.now)), ...others];
}

/** The condition with its transition time: the old one while the status stays the same. */
function settled(pod: Pod, type: string, condition: Partial<PodCondition>, now: number): PodCondition {
  const before = pod.status?.conditions?.find((other) => other.type === type);
  const same = before?.status === condition.status;
  return {
    type,
    status: condition.status ?? "Unknown",
    ...condition,
    ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    lastTransitionTime: same && before?.lastTransitionTime ? before.lastTransitionTime : timestamp(now),
  };
}
