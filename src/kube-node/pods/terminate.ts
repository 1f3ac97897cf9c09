import type { Container as EngineContainer } from "#containers/engine.ts";
import type { Container, Pod } from "#formats/kube-types.generated.ts";
import { isGantryError } from "#base/errors.ts";
import type { NodeDeps } from "../ports.ts";
import { containerEvent } from "./container-event.ts";
import { runHook } from "./hooks.ts";
import { isRunning, type ObservedPod } from "./observed.ts";
import { isSidecar } from "./plan.ts";

/** Ends every container of a pod within `graceSeconds`: ordinary ones together, then sidecars last to first, then the sandbox. */
export async function stopPod(deps: NodeDeps, pod: Pod, observed: ObservedPod, graceSeconds: number): Promise<void> {
  const deadline = deps.clock.now() + graceSeconds * 1000;
  const leftSeconds = (): number => Math.max(0, (deadline - deps.clock.now()) / 1000);
  const podIp = observed.sandbox?.endpoints[0]?.ipv4 ?? deps.config.ips[0];
  const stop = (container: Container): Promise<void> =>
    stopContainer(deps, pod, container, observed.current.get(container.name), podIp, leftSeconds());
  const init = pod.spec?.initContainers ?? [];
  const ephemeral = (pod.spec?.ephemeralContainers ?? []) as Container[];
  await Promise.all(
    [...(pod.spec?.containers ?? []), ...ephemeral, ...init.filter((container) => !isSidecar(container))].map(stop),
  );
  for (const sidecar of init.filter(isSidecar).toReversed()) await stop(sidecar);
  if (observed.sandbox && isRunning(observed.sandbox)) await engineStop(deps, observed.sandbox.id, 0);
}

/** Runs the preStop hook and ends one container; what is left of the grace is the container's. `message` says why. */
export async function stopContainer(
  deps: NodeDeps,
  pod: Pod,
  container: Container,
  found: EngineContainer | undefined,
  podIp: string,
  graceSeconds: number,
  message = `Stopping container ${container.name}`,
): Promise<void> {
  if (!found || !isRunning(found)) return;
  containerEvent(deps, pod, container, "Normal", "Killing", message);
  const started = deps.clock.now();
  const hook = container.lifecycle?.preStop;
  if (hook && graceSeconds > 0) {
    const result = await runHook(hook, container, found.id, podIp, deps, graceSeconds * 1000);
    if (!result.ok) containerEvent(deps, pod, container, "Warning", "FailedPreStopHook", "PreStopHook failed");
  }
  await engineStop(deps, found.id, Math.max(0, graceSeconds - (deps.clock.now() - started) / 1000));
}

async function engineStop({ engine }: NodeDeps, id: string, timeoutSeconds: number): Promise<void> {
  try {
    await engine.stop(id, { timeoutSeconds });
  } catch (error) {
    // It ended, or was removed, in the meantime.
    if (!isGantryError(error, "not-modified") && !isGantryError(error, "not-found")) throw error;
  }
}
