import type { ContainerStatus, Pod, PodCondition } from "#formats/kube-types.generated.ts";
import { initialized } from "./container-status.ts";
import { isRunning, type ObservedPod } from "./observed.ts";
import { timestamp, type StatusInputs } from "./status-inputs.ts";

/** Pure: the conditions that the kubelet owns, and others' as they are. */
export function podConditions(
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
  Object.assign(own, resizeCondition(inputs), disruptionCondition(inputs));
  if (!done && pod.status?.conditions?.every(({ type }) => type !== "PodScheduled"))
    own["PodScheduled"] = { status: "True" };
  const others = (pod.status?.conditions ?? []).filter(({ type }) => !(type in own) && !RESIZE_CONDITIONS.has(type));
  return [...Object.entries(own).map(([type, condition]) => settled(pod, type, condition, inputs)), ...others];
}

export const RESIZE_CONDITIONS: ReadonlySet<string> = new Set(["PodResizePending", "PodResizeInProgress"]);

/** Those that the kubelet writes. */
export const OWN_CONDITIONS: ReadonlySet<string> = new Set([
  "PodReadyToStartContainers",
  "Initialized",
  "Ready",
  "ContainersReady",
  "PodScheduled",
  ...RESIZE_CONDITIONS,
]);

export const BY_KUBELET = "TerminationByKubelet";

function disruptionCondition({ failure }: StatusInputs): Record<string, Partial<PodCondition>> {
  if (!failure?.isDisruption) return {};
  return { DisruptionTarget: { status: "True", reason: BY_KUBELET, message: failure.message } };
}

function resizeCondition({ resize }: StatusInputs): Record<string, Partial<PodCondition>> {
  if (!resize) return {};
  const { kind, ...why } = resize;
  return { [kind === "pending" ? "PodResizePending" : "PodResizeInProgress"]: { status: "True", ...why } };
}

/** The condition with its transition time: the old one while the status stays the same. */
function settled(
  pod: Pod,
  type: string,
  condition: Partial<PodCondition>,
  { before: reported, now }: StatusInputs,
): PodCondition {
  const before = (reported ?? pod.status)?.conditions?.find((other) => other.type === type);
  const same = before?.status === condition.status;
  return {
    type,
    status: condition.status ?? "Unknown",
    ...condition,
    ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    lastTransitionTime: same && before?.lastTransitionTime ? before.lastTransitionTime : timestamp(now),
  };
}
