import type { Container, Pod } from "#formats/kube-types.generated.ts";
import { exitOf, isRunning, type ObservedPod } from "./observed.ts";
import { restartCountOf, sandboxIdOf } from "./labels.ts";

/** What is to be done next for a pod. Actions of one plan are carried out in order. */
export type PodAction =
  | { readonly kind: "start-sandbox"; readonly attempt: number }
  | { readonly kind: "start"; readonly container: Container; readonly restartCount: number; readonly init: boolean }
  | { readonly kind: "stop"; readonly containerId: string; readonly name: string; readonly cause: StopCause }
  | { readonly kind: "remove"; readonly containerId: string }
  /** Running containers get the resources that the document asks for now. */
  | { readonly kind: "resize"; readonly names: readonly string[] }
  /** Look again at this time (epoch milliseconds): a container's back-off ends. */
  | { readonly kind: "wake"; readonly at: number }
  /** The pod is done for good: what still runs of it ends, the sandbox last; the records stay for logs. */
  | { readonly kind: "finish" };

export type StopCause = "sandbox-changed" | "liveness" | "startup" | "resize";

/** What the planner needs to know besides the pod and what runs. */
export interface PlanInputs {
  readonly now: number;
  /** When a container that ended may run again (epoch milliseconds). */
  readonly notBefore: (containerName: string, restartCount: number) => number;
  /** A liveness or startup probe has failed for this run of the container. */
  readonly condemned: (containerId: string) => "liveness" | "startup" | undefined;
  /** Running containers whose resources are to change, and how; none while the node cannot grant them. */
  readonly resizes: ReadonlyMap<string, "live" | "restart">;
  /** The startup probe has passed, or there is none. */
  readonly started: (containerId: string) => boolean;
  /** When a sandbox may be started (epoch milliseconds). */
  readonly sandboxNotBefore: number;
  /** The pod as a whole has failed (deadline, eviction): everything ends. */
  readonly failed: boolean;
}

/**
 * Pure: the kubelet's decision for one pod (k8s.io/kubernetes computePodActions): sandbox first, init containers in order, sidecars on
 * the way, then the others; restarts by policy and back-off.
 */
export function planPod(pod: Pod, observed: ObservedPod, inputs: PlanInputs): PodAction[] {
  const cleanup: PodAction[] = observed.superseded
    .filter((container) => !isRunning(container))
    .map(({ id }) => ({ kind: "remove", containerId: id }));
  if (inputs.failed || isDone(pod, observed)) return [...cleanup, ...finishActions(observed)];
  const sandbox = observed.sandbox;
  if (!isRunning(sandbox)) return [...cleanup, ...strandedStops(observed, undefined), sandboxStart(observed, inputs)];
  const stranded = strandedStops(observed, sandbox?.id);
  return [
    ...cleanup,
    ...stranded,
    ...condemnedStops(observed, inputs),
    ...resizeActions(observed, inputs),
    ...containerActions(pod, observed, sandbox?.id ?? "", inputs),
  ];
}

function sandboxStart({ sandbox }: ObservedPod, { now, sandboxNotBefore }: PlanInputs): PodAction {
  if (sandboxNotBefore > now) return { kind: "wake", at: sandboxNotBefore };
  return { kind: "start-sandbox", attempt: sandbox ? restartCountOf(sandbox) + 1 : 0 };
}

/** Sidecars: init containers that run on beside the others. */
export function isSidecar(container: Container): boolean {
  return container.restartPolicy === "Always";
}

/** Whether a container that ended with `code` runs again. */
export function shouldRestart(pod: Pod, container: Container, code: number, init: boolean): boolean {
  const policy = container.restartPolicy ?? pod.spec?.restartPolicy ?? "Always";
  const rule = container.restartPolicyRules?.find(({ exitCodes }) => exitCodes && exitCodeMatches(exitCodes, code));
  if (rule) return rule.action === "Restart";
  if (init && !isSidecar(container)) return code !== 0 && policy !== "Never";
  return policy === "Always" || (policy === "OnFailure" && code !== 0);
}

function exitCodeMatches({ operator, values }: { operator?: string; values?: number[] }, code: number): boolean {
  const listed = (values ?? []).includes(code);
  return operator === "NotIn" ? !listed : listed;
}

/** Pure: nothing of the pod will ever run again. */
export function isDone(pod: Pod, observed: ObservedPod): boolean {
  const ended = (container: Container, init: boolean): boolean => {
    const exit = exitOf(observed.current.get(container.name));
    return exit !== undefined && !shouldRestart(pod, container, exit.code, init);
  };
  const failedInit = (pod.spec?.initContainers ?? []).some(
    (container) =>
      !isSidecar(container) && ended(container, true) && exitOf(observed.current.get(container.name))?.code !== 0,
  );
  if (failedInit) return true;
  const containers = pod.spec?.containers ?? [];
  return containers.length > 0 && containers.every((container) => ended(container, false));
}

function finishActions(observed: ObservedPod): PodAction[] {
  const runs = isRunning(observed.sandbox) || Array.from(observed.current.values()).some(isRunning);
  return runs ? [{ kind: "finish" }] : [];
}

/** Containers that still run in a sandbox which is no more. */
function strandedStops(observed: ObservedPod, sandboxId: string | undefined): PodAction[] {
  return [...observed.current]
    .filter(([, container]) => isRunning(container) && sandboxIdOf(container) !== sandboxId)
    .map(([name, { id }]) => ({ kind: "stop", containerId: id, name, cause: "sandbox-changed" }));
}

function condemnedStops(observed: ObservedPod, inputs: PlanInputs): PodAction[] {
  const actions: PodAction[] = [];
  for (const [name, container] of observed.current) {
    const cause = isRunning(container) ? inputs.condemned(container.id) : undefined;
    if (cause) actions.push({ kind: "stop", containerId: container.id, name, cause });
  }
  return actions;
}

function resizeActions(observed: ObservedPod, { resizes }: PlanInputs): PodAction[] {
  const live = [...resizes].filter(([, way]) => way === "live").map(([name]) => name);
  const actions: PodAction[] = live.length > 0 ? [{ kind: "resize", names: live }] : [];
  for (const [name, way] of resizes) {
    const found = observed.current.get(name);
    if (way === "restart" && found) actions.push({ kind: "stop", containerId: found.id, name, cause: "resize" });
  }
  return actions;
}

function containerActions(pod: Pod, observed: ObservedPod, sandboxId: string, inputs: PlanInputs): PodAction[] {
  const actions: PodAction[] = [];
  for (const container of pod.spec?.initContainers ?? []) {
    const found = observed.current.get(container.name);
    const inThisSandbox = found !== undefined && sandboxIdOf(found) === sandboxId;
    if (inThisSandbox && isRunning(found)) {
      if (isSidecar(container) && inputs.started(found.id)) continue;
      return actions;
    }
    const exit = exitOf(found);
    if (inThisSandbox && exit && !isSidecar(container) && exit.code === 0) continue;
    actions.push(startOrWait(container, observed, true, inputs));
    // A sidecar that was up before does not hold the others back while it restarts; an ordinary one does.
    if (!(isSidecar(container) && inThisSandbox && exit)) return actions;
  }
  for (const container of pod.spec?.containers ?? []) {
    const found = observed.current.get(container.name);
    if (isRunning(found)) continue;
    const exit = exitOf(found);
    if (exit && !shouldRestart(pod, container, exit.code, false)) continue;
    actions.push(startOrWait(container, observed, false, inputs));
  }
  // Ephemeral containers run once.
  for (const container of (pod.spec?.ephemeralContainers ?? []) as Container[]) {
    const found = observed.current.get(container.name);
    if (!found || found.state.status === "created") actions.push(startOrWait(container, observed, false, inputs));
  }
  return actions;
}

function startOrWait(container: Container, observed: ObservedPod, init: boolean, inputs: PlanInputs): PodAction {
  const last = observed.current.get(container.name);
  const restartCount = last ? nextRestartCount(last.state.status, restartCountOf(last)) : 0;
  const notBefore = inputs.notBefore(container.name, restartCount);
  return notBefore > inputs.now ? { kind: "wake", at: notBefore } : { kind: "start", container, restartCount, init };
}

/** A container that was made and never started is taken up again under its own number. */
function nextRestartCount(status: string, count: number): number {
  return status === "created" ? count : count + 1;
}
