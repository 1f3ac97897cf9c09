import { isPodReady, isPodTerminal, isSidecar, podCondition } from "../kube-pod.ts";
import type { ContainerState, ContainerStatus, Pod, PodTemplate } from "../kube-types.generated.ts";
import { age, columns, containerCells, labelText, NONE, since, type Cell, type KubeTable } from "./cells.ts";

export const pods: KubeTable = {
  columns: columns("Name", "Ready", "Status", "Restarts", "Age", "+IP", "+Node", "+Nominated Node", "+Readiness Gates"),
  cells: podCells,
  conditions(pod: Pod) {
    const completed = { type: "Completed", status: "True" };
    if (pod.status?.phase === "Succeeded")
      return [{ ...completed, reason: "Succeeded", message: "The pod has completed successfully." }];
    if (pod.status?.phase === "Failed") return [{ ...completed, reason: "Failed", message: "The pod failed." }];
    return [];
  },
};

function podCells(pod: Pod, now: number): Cell[] {
  const { status, spec } = pod;
  const { ready, total, reason, restarts, lastRestart } = podState(pod);
  const restartText =
    restarts > 0 && lastRestart !== undefined ? `${restarts} (${since(lastRestart, now)} ago)` : String(restarts);
  return [
    pod.metadata.name ?? "",
    `${ready}/${total}`,
    reason,
    restartText,
    age(pod, now),
    status?.podIPs?.[0]?.ip || status?.podIP || NONE,
    spec?.nodeName || NONE,
    status?.nominatedNodeName || NONE,
    readinessGates(pod),
  ];
}

/** What `kubectl get pods` shows of a pod's state. */
export interface PodState {
  ready: number;
  readonly total: number;
  /** Phase, or why it is not running: `CrashLoopBackOff`, `Init:0/1`, `Terminating`. */
  reason: string;
  restarts: number;
  /** When a container last ended and was started again; RFC 3339. */
  lastRestart: string | undefined;
}

/** printPod's reading of a pod's status. */
export function podState(pod: Pod): PodState {
  const { spec, status } = pod;
  const sidecars = new Set((spec?.initContainers ?? []).filter(isSidecar).map(({ name }) => name));
  const gated = podCondition(status, "PodScheduled")?.reason === "SchedulingGated";
  const state: PodState = {
    ready: 0,
    total: (spec?.containers.length ?? 0) + sidecars.size,
    reason: gated ? "SchedulingGated" : status?.reason || status?.phase || "",
    restarts: 0,
    lastRestart: undefined,
  };
  const initializing = readInitContainers(pod, sidecars, state);
  if (!initializing || podCondition(status, "Initialized")?.status === "True") readContainers(pod, sidecars, state);
  if (pod.metadata.deletionTimestamp) {
    if (status?.reason === "NodeLost") state.reason = "Unknown";
    else if (!isPodTerminal(pod)) state.reason = "Terminating";
  }
  return state;
}

function countRestarts(container: ContainerStatus, state: PodState): void {
  state.restarts += container.restartCount ?? 0;
  const ended = container.lastState?.terminated?.finishedAt;
  if (ended && (state.lastRestart === undefined || Date.parse(ended) > Date.parse(state.lastRestart)))
    state.lastRestart = ended;
}

/** True while an init container stands in the way. */
function readInitContainers({ spec, status }: Pod, sidecars: ReadonlySet<string>, state: PodState): boolean {
  for (const [index, container] of (status?.initContainerStatuses ?? []).entries()) {
    countRestarts(container, state);
    const { terminated, waiting } = container.state ?? {};
    if (terminated?.exitCode === 0) continue;
    if (sidecars.has(container.name) && container.started) {
      if (container.ready) state.ready++;
      continue;
    }
    if (terminated) state.reason = `Init:${terminated.reason || exitText(terminated)}`;
    else if (waiting?.reason && waiting.reason !== "PodInitializing") state.reason = `Init:${waiting.reason}`;
    else state.reason = `Init:${index}/${spec?.initContainers?.length ?? 0}`;
    return true;
  }
  return false;
}

function readContainers(pod: Pod, sidecars: ReadonlySet<string>, state: PodState): void {
  const { status } = pod;
  state.restarts = 0;
  state.lastRestart = undefined;
  for (const container of status?.initContainerStatuses ?? [])
    if (sidecars.has(container.name)) countRestarts(container, state);
  let running = false;
  for (const container of (status?.containerStatuses ?? []).toReversed()) {
    countRestarts(container, state);
    const { waiting, terminated, running: runs } = container.state ?? {};
    if (waiting?.reason) state.reason = waiting.reason;
    else if (terminated) state.reason = terminated.reason || exitText(terminated);
    else if (container.ready && runs) {
      running = true;
      state.ready++;
    }
  }
  if (state.reason === "Completed" && running) state.reason = isPodReady(pod) ? "Running" : "NotReady";
}

function exitText({ signal, exitCode }: NonNullable<ContainerState["terminated"]>): string {
  return signal ? `Signal:${signal}` : `ExitCode:${exitCode}`;
}

function readinessGates({ spec, status }: Pod): string {
  const gates = spec?.readinessGates ?? [];
  if (gates.length === 0) return NONE;
  const met = gates.filter(({ conditionType }) => podCondition(status, conditionType)?.status === "True");
  return `${met.length}/${gates.length}`;
}

export const podTemplates: KubeTable = {
  columns: columns("Name", "Containers", "Images", "Pod Labels"),
  cells: ({ metadata, template }: PodTemplate) => [
    metadata.name ?? "",
    ...containerCells(template),
    labelText(template?.metadata?.labels),
  ],
};
