import type { Container, ContainerStatus, Pod, PodStatus } from "#formats/kube-types.generated.ts";
import { podConditions } from "./conditions.ts";
import { containerStatus, initialized } from "./container-status.ts";
import { exitOf, isRunning, type ObservedPod } from "./observed.ts";
import { isDone, isSidecar } from "./plan.ts";
import { qosClass } from "./qos.ts";
import { timestamp, type StatusInputs } from "./status-inputs.ts";

/** Pure: the status that the kubelet reports. Conditions that others own are kept; times move only when a status does. */
export function podStatus(pod: Pod, observed: ObservedPod, inputs: StatusInputs): PodStatus {
  const before = inputs.before ?? pod.status;
  const init = (pod.spec?.initContainers ?? []).map((container) =>
    containerStatus(pod, container, observed, inputs, true),
  );
  const containers = (pod.spec?.containers ?? []).map((container) =>
    containerStatus(pod, container, observed, inputs, false),
  );
  const ephemeral = (pod.spec?.ephemeralContainers ?? []).map((container) =>
    containerStatus(pod, container as Container, observed, inputs, false),
  );
  const wanted = inputs.failure ? "Failed" : podPhase(pod, observed, init, inputs.ending === true);
  // A pod is not said to be done while anything of it runs (status_manager.go, mergePodStatus).
  const early = isTerminal(wanted) && Array.from(observed.current.values()).some(isRunning);
  const phase = early ? (before?.phase ?? "Running") : wanted;
  const ips = inputs.podIps;
  const [podIp] = ips;
  return {
    phase,
    ...(inputs.failure && !early ? { reason: inputs.failure.reason, message: inputs.failure.message } : {}),
    ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    conditions: podConditions(pod, phase, observed, init, containers, inputs),
    hostIP: inputs.hostIps[0],
    hostIPs: inputs.hostIps.map((ip) => ({ ip })),
    ...(podIp === undefined ? {} : { podIP: podIp, podIPs: ips.map((ip) => ({ ip })) }),
    startTime: before?.startTime ?? timestamp(inputs.now),
    qosClass: pod.status?.qosClass ?? qosClass(pod),
    ...(init.length > 0 ? { initContainerStatuses: init } : {}),
    containerStatuses: containers,
    ...(ephemeral.length > 0 ? { ephemeralContainerStatuses: ephemeral } : {}),
  };
}

function isTerminal(phase: string): boolean {
  return phase === "Succeeded" || phase === "Failed";
}

function podPhase(pod: Pod, observed: ObservedPod, init: readonly ContainerStatus[], ending: boolean): string {
  if (isDone(pod, observed) || (ending && hasRun(pod, observed))) {
    const failedInit = (pod.spec?.initContainers ?? []).some(
      (container) => !isSidecar(container) && (exitOf(observed.current.get(container.name))?.code ?? 0) !== 0,
    );
    const failed = (pod.spec?.containers ?? []).some(
      ({ name }) => (exitOf(observed.current.get(name))?.code ?? 0) !== 0,
    );
    return failedInit || failed ? "Failed" : "Succeeded";
  }
  const initDone = init.every((status, index) => initialized(pod.spec?.initContainers?.[index], status));
  return initDone && hasRun(pod, observed) && allMade(pod, observed) ? "Running" : "Pending";
}

function hasRun(pod: Pod, observed: ObservedPod): boolean {
  return (pod.spec?.containers ?? []).some(
    ({ name }) =>
      isRunning(observed.current.get(name)) || exitOf(observed.current.get(name)) || observed.previous.has(name),
  );
}

/** Kubernetes calls a pod Running when all its containers have been made and at least one runs or is about to run again. */
function allMade(pod: Pod, observed: ObservedPod): boolean {
  return (pod.spec?.containers ?? []).every(({ name }) => {
    const found = observed.current.get(name);
    return observed.previous.has(name) || (found !== undefined && found.state.status !== "created");
  });
}
