import type { Container as EngineContainer } from "#containers/engine.ts";
import type {
  Container,
  ContainerState,
  ContainerStateTerminated,
  ContainerStatus,
  Pod,
  ResourceRequirements,
  VolumeMountStatus,
} from "#formats/kube-types.generated.ts";
import { appliedResources, restartCountOf } from "./labels.ts";
import { exitOf, isRunning, type ObservedPod } from "./observed.ts";
import { isSidecar, shouldRestart } from "./plan.ts";
import { timestamp, type StatusInputs, type Waiting } from "./status-inputs.ts";

/** Pure: how one container stands. */
export function containerStatus(
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
    ...resourceStatus(container, found),
    ...mountStatus(container),
  };
  if (found && isRunning(found) && found.state.status !== "created") {
    const started = inputs.started(found.id);
    return {
      ...base,
      containerID: containerId(found),
      ...userStatus(found, inputs),
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

export function initialized(container: Container | undefined, status: ContainerStatus): boolean {
  return container && isSidecar(container) ? status.started === true : status.state?.terminated?.exitCode === 0;
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

/** What the container was given, which a resize may have left behind what its document asks for. */
function resourceStatus(
  container: Container,
  found: EngineContainer | undefined,
): Pick<ContainerStatus, "resources" | "allocatedResources"> {
  const applied: ResourceRequirements | undefined = (found && appliedResources(found)) ?? container.resources;
  const requests = applied?.requests ?? {};
  return {
    resources: applied ?? {},
    ...(Object.keys(requests).length > 0 ? { allocatedResources: requests } : {}),
  };
}

function mountStatus({ volumeMounts }: Container): Pick<ContainerStatus, "volumeMounts"> {
  if (!volumeMounts || volumeMounts.length === 0) return {};
  return {
    volumeMounts: volumeMounts.map(({ name, mountPath, readOnly, recursiveReadOnly }): VolumeMountStatus => ({
      name,
      mountPath,
      ...(readOnly ? { readOnly, recursiveReadOnly: recursiveReadOnly === "Enabled" ? "Enabled" : "Disabled" } : {}),
    })),
  };
}

function userStatus(found: EngineContainer, { user }: StatusInputs): Pick<ContainerStatus, "user"> {
  const linux = user?.(found);
  return linux ? { user: { linux } } : {};
}
