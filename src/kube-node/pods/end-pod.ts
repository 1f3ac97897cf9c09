import { errorText, isGantryError } from "#base/errors.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import { removePodVolumes } from "../volumes/pod-volumes.ts";
import { isRunning } from "./observed.ts";
import { isStatic } from "./labels.ts";
import { removeContainer } from "./perform.ts";
import { podDirectory } from "./pod-context.ts";
import { observe, report, type PodState } from "./pod-state.ts";
import { podCgroup } from "./qos.ts";
import { stopPod } from "./terminate.ts";

const SIGKILL = 9;

/** The end of a pod: containers within the grace, a last status, then nothing of it is left here, and the API may forget it. */
export async function endPod(state: PodState): Promise<void> {
  const { deps, pod, probes, uid, writer } = state;
  probes.stop();
  const graceSeconds =
    state.mode === "orphaned"
      ? 0
      : (pod.metadata.deletionGracePeriodSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? 30);
  await stopPod(deps, pod, observe(state), graceSeconds);
  if (state.mode === "run") report(state, observe(state));
  await writer.flushed();
  await Promise.all(deps.containersOf(uid).map(({ id }) => removeContainer(state, id)));
  await removePodVolumes(podDirectory(deps, pod), deps.host, deps.images);
  await deps.engine.removeCgroupParent(podCgroup(pod));
  if (state.mode !== "orphaned") await forgetInApi(state);
  state.mode = "gone";
  deps.onGone(uid);
}

async function forgetInApi(state: PodState): Promise<void> {
  const { deps, pod, uid } = state;
  try {
    const preconditions = isStatic(pod) ? {} : { preconditions: { uid } };
    await deps.client.delete(RESOURCES.pods, pod.metadata.namespace, pod.metadata.name ?? "", {
      gracePeriodSeconds: 0,
      ...preconditions,
    });
  } catch (error) {
    if (isGantryError(error, "not-found")) return;
    // Replaced by a pod of the same name; or others wrote to it so often that the deletion found no gap.
    if (!isGantryError(error, "conflict") || (await isThere(state))) throw error;
  }
}

async function isThere({ deps, pod, uid }: PodState): Promise<boolean> {
  try {
    const there = await deps.client.get(RESOURCES.pods, pod.metadata.namespace, pod.metadata.name ?? "");
    return isStatic(pod) || there.metadata.uid === uid;
  } catch (error) {
    if (isGantryError(error, "not-found")) return false;
    throw error;
  }
}

/** Cuts a stop short that waits for its grace: the pod was deleted by force. */
export async function killAll(state: PodState): Promise<void> {
  const { engine, logger } = state.deps;
  for (const container of observe(state).current.values()) {
    if (!isRunning(container)) continue;
    await engine
      .kill(container.id, SIGKILL)
      .catch((error: unknown) => logger.debug({ id: container.id, error: errorText(error) }, "already gone"));
  }
}
