import { errorText } from "#base/errors.ts";
import { allContainers, type PodState } from "./pod-state.ts";
import type { ObservedPod } from "./observed.ts";
import { podCgroup } from "./qos.ts";
import { podCgroupSteps, resizeHindrance, resizesOf } from "./resize.ts";
import { containerResources, unlimited } from "./resources.ts";

/** A change that the kernel refused (memory that is in use) is tried again after this time. */
const RETRY_MS = 10_000;

/** What is to be changed now; a change that the node cannot grant, or that just failed, waits and says so. */
export function grantedResizes(state: PodState, observed: ObservedPod): ReturnType<typeof resizesOf> {
  const { deps, pod, uid } = state;
  const wanted = resizesOf(pod, observed);
  if (wanted.size === 0) {
    state.resize = undefined;
    return wanted;
  }
  const hindrance = resizeHindrance(pod, deps.othersRequest(uid), deps.host.capacity());
  if (hindrance?.kind === "pending") {
    if (state.resize?.kind !== "pending" || state.resize.message !== hindrance.message)
      deps.events.record(pod, "Warning", `Resize${hindrance.reason}`, hindrance.message);
    state.resize = hindrance;
    return new Map();
  }
  if (state.resizeNotBefore > deps.clock.now()) {
    state.wakeAt(state.resizeNotBefore);
    return new Map();
  }
  return wanted;
}

/** Changes the limits of running containers, the pod's own around them. A refusal is told in the pod's conditions and tried again. */
export async function resize(state: PodState, names: readonly string[], observed: ObservedPod): Promise<void> {
  const { deps, pod, uid } = state;
  const { before, after } = podCgroupSteps(pod, observed);
  try {
    await deps.engine.setCgroupParent(podCgroup(pod), before);
    for (const container of allContainers(pod).filter(({ name }) => names.includes(name))) {
      const found = observed.current.get(container.name);
      if (!found) continue;
      await deps.engine.update(found.id, {
        resources: unlimited(containerResources(container.resources)),
        origin: { pod: { uid, resources: container.resources ?? {} } },
      });
    }
    await deps.engine.setCgroupParent(podCgroup(pod), after);
    state.resize = undefined;
    deps.events.record(
      pod,
      "Normal",
      "ResizeCompleted",
      `Pod resize completed: ${JSON.stringify(details(state, names))}`,
    );
  } catch (error) {
    const message = errorText(error);
    state.resize = { kind: "in-progress", reason: "Error", message };
    state.resizeNotBefore = deps.clock.now() + RETRY_MS;
    deps.events.record(pod, "Warning", "ResizeError", `Pod resize error: ${message}`);
  }
}

function details({ pod }: PodState, names: readonly string[]): object {
  const containers = allContainers(pod)
    .filter(({ name }) => names.includes(name))
    .map(({ name, resources }) => ({ name, resources }));
  return { containers, generation: pod.metadata.generation };
}
