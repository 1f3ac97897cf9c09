import { kubeTime } from "#formats/kube-time.ts";
import type {
  Container,
  ContainerState,
  ContainerStatus,
  Pod,
  PodCondition,
  PodStatus,
} from "#formats/kube-types.generated.ts";

/** How a simulated pod lives. Times in milliseconds. */
export interface PodLife {
  /** From being assigned to running. */
  readonly startAfterMs: number;
  /** From running to ready; undefined: never ready. */
  readonly readyAfterMs: number | undefined;
  /** From running to its end; undefined: it runs until it is deleted. */
  readonly runForMs: number | undefined;
  readonly exitCode: number;
  /** From its deletion to its being gone, at most its grace period. */
  readonly stopAfterMs: number;
}

const PREFIX = "simulated.gantry.dev/";

/**
 * A pod's life by its annotations `simulated.gantry.dev/start-ms`, `ready-ms` (`never`), `run-ms` (`forever`), `exit-code` and `stop-ms`.
 * Without them it runs and is ready at once, and stops at once; one of a Job ends at once with success.
 */
export function podLife(pod: Pod): PodLife {
  const annotations = pod.metadata.annotations ?? {};
  const value = (name: string, otherwise: number): number => {
    const number = Number(annotations[PREFIX + name] ?? Number.NaN);
    return Number.isFinite(number) && number >= 0 ? number : otherwise;
  };
  const ofJob = pod.metadata.ownerReferences?.some((owner) => owner.controller && owner.kind === "Job") ?? false;
  const endless = annotations[`${PREFIX}run-ms`] === "forever" || !(ofJob || `${PREFIX}run-ms` in annotations);
  return {
    startAfterMs: value("start-ms", 0),
    readyAfterMs: annotations[`${PREFIX}ready-ms`] === "never" ? undefined : value("ready-ms", 0),
    runForMs: endless ? undefined : value("run-ms", 0),
    exitCode: value("exit-code", 0),
    stopAfterMs: Math.min(value("stop-ms", 0), (pod.metadata.deletionGracePeriodSeconds ?? 30) * 1000),
  };
}

/** The status of a pod that runs. */
export function runningStatus(pod: Pod, hostIp: string, podIp: string, ready: boolean, nowMs: number): PodStatus {
  const now = kubeTime(nowMs);
  const startTime = pod.status?.startTime ?? now;
  const state: ContainerState = { running: { startedAt: now } };
  const statuses = (containers: readonly Container[] | undefined, done: boolean): ContainerStatus[] | undefined =>
    containers?.map((container) => containerStatus(pod, container, done ? exited(0, now) : state, ready));
  const inits = pod.spec?.initContainers;
  return {
    phase: "Running",
    hostIP: hostIp,
    hostIPs: [{ ip: hostIp }],
    podIP: podIp,
    podIPs: [{ ip: podIp }],
    startTime,
    qosClass: pod.status?.qosClass,
    conditions: conditions(pod, ready, now),
    containerStatuses: statuses(pod.spec?.containers, false),
    ...(inits && {
      initContainerStatuses: inits.flatMap((each) => statuses([each], each.restartPolicy !== "Always") ?? []),
    }),
  };
}

/** The status of a pod whose containers have ended. */
export function endedStatus(pod: Pod, exitCode: number, nowMs: number): PodStatus {
  const now = kubeTime(nowMs);
  return {
    ...pod.status,
    phase: exitCode === 0 ? "Succeeded" : "Failed",
    conditions: conditions(pod, false, now, exitCode === 0 ? "PodCompleted" : "PodFailed"),
    containerStatuses: pod.spec?.containers.map((each) => containerStatus(pod, each, exited(exitCode, now), false)),
  };
}

function exited(exitCode: number, now: string): ContainerState {
  return { terminated: { exitCode, reason: exitCode === 0 ? "Completed" : "Error", startedAt: now, finishedAt: now } };
}

function containerStatus(
  pod: Pod,
  { name, image = "" }: Container,
  state: ContainerState,
  ready: boolean,
): ContainerStatus {
  const running = state.running !== undefined;
  return {
    name,
    image,
    imageID: image,
    containerID: `simulated://${pod.metadata.uid ?? ""}-${name}`,
    ready: running ? ready : state.terminated?.exitCode === 0,
    started: running,
    restartCount: 0,
    state,
    lastState: {},
  };
}

function conditions(pod: Pod, ready: boolean, now: string, reason?: string): PodCondition[] {
  const make = (type: string, status: boolean): PodCondition => {
    const text = status ? "True" : "False";
    const known = pod.status?.conditions?.find((condition) => condition.type === type);
    const since = known?.status === text ? known.lastTransitionTime : now;
    return { type, status: text, lastTransitionTime: since, ...(reason && !status ? { reason } : {}) };
  };
  const kept = (pod.status?.conditions ?? []).filter(
    ({ type }) => !["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"].includes(type),
  );
  return [
    ...kept,
    make("PodReadyToStartContainers", true),
    make("Initialized", true),
    make("Ready", ready),
    make("ContainersReady", ready),
  ];
}
