import { errorText, isGantryError } from "#base/errors.ts";
import type { Container, ImageVolumeSource, Pod } from "#formats/kube-types.generated.ts";
import { preparePodVolumes, type PreparedVolumes } from "../volumes/pod-volumes.ts";
import { sandboxConfig } from "./container-config.ts";
import { isRunning, type ObservedPod } from "./observed.ts";
import type { PodAction, StopCause } from "./plan.ts";
import { claimVolume, configSource, podDirectory, podFacts } from "./pod-context.ts";
import { allContainers, filesVersion, observe, podIps, type PodState } from "./pod-state.ts";
import { podCgroup } from "./qos.ts";
import { podResources } from "./resources.ts";
import { resize } from "./perform-resize.ts";
import { startContainer } from "./start-container.ts";
import { stopContainer, stopPod } from "./terminate.ts";

/** A container that could not be made is tried again after this time. */
const RETRY_MS = 10_000;
const DEFAULT_GRACE_SECONDS = 30;
const SANDBOX_RETRY_MS = 1_000;
const LONGEST_SANDBOX_RETRY_MS = 60_000;

/** Carries out one action of a plan. Failures to start a container become its waiting reason; others are thrown. */
export async function perform(
  state: PodState,
  action: Exclude<PodAction, { kind: "wake" }>,
  observed: ObservedPod,
): Promise<void> {
  switch (action.kind) {
    case "start-sandbox":
      return startSandbox(state, action.attempt, observed);
    case "start":
      return start(state, action.container, action.restartCount);
    case "stop":
      return stop(state, action.name, action.cause, observed);
    case "resize":
      return resize(state, action.names, observed);
    case "remove":
      return removeContainer(state, action.containerId);
    case "finish":
      return stopPod(state.deps, state.pod, observed, finishGraceSeconds(state));
  }
}

/** Removes a container and its writable layer; harmless when it is gone. */
export async function removeContainer({ deps }: PodState, id: string): Promise<void> {
  try {
    await deps.engine.remove(id, { force: true, volumes: true });
  } catch (error) {
    if (!isGantryError(error, "not-found")) throw error;
  }
}

async function startSandbox(state: PodState, attempt: number, observed: ObservedPod): Promise<void> {
  const { deps, pod } = state;
  if (observed.sandbox?.state.status === "created") await removeContainer(state, observed.sandbox.id);
  await deps.engine.setCgroupParent(podCgroup(pod), podResources(pod));
  const config = sandboxConfig(pod, attempt, {
    podNetwork: deps.config.podNetwork,
    domain: deps.config.clusterDomain,
    aliases: [],
    lowestOomScoreAdj: deps.host.lowestOomScoreAdj,
    nodeName: deps.config.name,
    netns: deps.config.netns,
    users: deps.usersOf(pod),
  });
  const { id } = await deps.engine.create(config);
  try {
    // Volumes are made meanwhile. What one of them lacks is told when the first container is to start.
    const [started] = await Promise.allSettled([deps.engine.start(id), makeVolumes(state, [])]);
    if (started.status === "rejected") throw started.reason;
    state.sandboxFailures = 0;
  } catch (error) {
    deps.events.record(pod, "Warning", "FailedCreatePodSandBox", `Failed to create pod sandbox: ${errorText(error)}`);
    // The next try takes the same number, and waits: what the engine tells of this one must not wake it at once.
    state.sandboxNotBefore =
      deps.clock.now() + Math.min(LONGEST_SANDBOX_RETRY_MS, SANDBOX_RETRY_MS * 2 ** state.sandboxFailures++);
    await removeContainer(state, id);
  }
}

async function start(state: PodState, container: Container, restartCount: number): Promise<void> {
  const { deps, pod, waiting, retryAt, aborter } = state;
  const observed = observe(state);
  const { sandbox } = observed;
  if (!sandbox || !isRunning(sandbox)) return;
  const ips = podIps(state, observed);
  try {
    const [image, volumes] = await Promise.all([
      state.puller.ensure(pod, container, aborter.signal),
      state.prepared && !filesAreDue(state) ? state.prepared.byName : prepareVolumes(state, ips),
    ]);
    await startContainer(deps, {
      pod,
      container,
      restartCount,
      sandboxId: sandbox.id,
      podIps: ips,
      image,
      volumes,
      allCapabilities: deps.allCapabilities,
    });
    waiting.delete(container.name);
    retryAt.delete(container.name);
  } catch (error) {
    if (aborter.signal.aborted) return;
    const { reason, until } = isGantryError(error) ? error.details : {};
    // A volume that cannot be made holds the whole pod back, as in Kubernetes: the container is still being created.
    if (typeof reason === "string") waiting.set(container.name, { reason, message: errorText(error) });
    retryAt.set(container.name, typeof until === "number" ? until : deps.clock.now() + RETRY_MS);
  }
}

/** Makes the pod's volumes, or brings their files up to date; says what is missing as an event. */
export async function prepareVolumes(state: PodState, ips: readonly string[]): Promise<PreparedVolumes["byName"]> {
  const { deps, pod } = state;
  try {
    return await makeVolumes(state, ips);
  } catch (error) {
    deps.events.record(pod, "Warning", "FailedMount", `MountVolume.SetUp failed: ${errorText(error)}`);
    throw error;
  }
}

/** Whether an object that the files show has changed since they were made, or a token must be renewed. */
export function filesAreDue(state: PodState): boolean {
  const { deps, prepared, preparedFor, filesAreStale } = state;
  if (!prepared || filesAreStale || preparedFor !== filesVersion(state)) return true;
  return prepared.renewAt !== undefined && prepared.renewAt <= deps.clock.now();
}

async function makeVolumes(state: PodState, ips: readonly string[]): Promise<PreparedVolumes["byName"]> {
  const { deps, pod } = state;
  state.filesAreStale = false;
  state.prepared = await preparePodVolumes({
    pod,
    source: configSource(deps),
    facts: podFacts(deps, ips),
    token: state.tokens,
    directory: podDirectory(deps, pod),
    host: deps.host,
    images: deps.images,
    image: ({ name, image }) => state.puller.ensure(pod, { name, ...asImageOf(image) }, state.aborter.signal),
    memoryBytes: deps.host.capacity().memoryBytes,
    claim: (namespace, name) => claimVolume(deps, namespace, name),
    stamp: `${new Date(deps.clock.now()).toISOString().slice(0, 19).replaceAll(/[-:T]/g, "_")}.${state.stamp++}`,
  });
  state.preparedFor = filesVersion(state);
  return state.prepared.byName;
}

/** An image volume is pulled as a container's image is. */
function asImageOf(source: ImageVolumeSource | undefined): Pick<Container, "image" | "imagePullPolicy"> {
  const { reference, pullPolicy } = source ?? {};
  return { image: reference ?? "", ...(pullPolicy === undefined ? {} : { imagePullPolicy: pullPolicy }) };
}

async function stop(state: PodState, name: string, cause: StopCause, observed: ObservedPod): Promise<void> {
  const { deps, pod } = state;
  const container = allContainers(pod).find((each) => each.name === name);
  if (!container) return;
  await stopContainer(
    deps,
    pod,
    container,
    observed.current.get(name),
    podIps(state, observed)[0] ?? "",
    stopGraceSeconds(pod, container, cause),
    stopMessage(pod, container, cause),
  );
}

/** A probe that condemns a container may set a grace of its own. */
function stopGraceSeconds({ spec }: Pod, container: Container, cause: StopCause): number {
  const probe =
    cause === "startup" ? container.startupProbe : cause === "liveness" ? container.livenessProbe : undefined;
  return probe?.terminationGracePeriodSeconds ?? spec?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
}

/** The kubelet's words (kuberuntime_manager.go, computePodActions). */
function stopMessage(pod: Pod, container: Container, cause: StopCause): string | undefined {
  if (cause === "resize") return `Container ${container.name} resize requires restart`;
  if (cause !== "liveness" && cause !== "startup") return undefined;
  const policy = container.restartPolicy ?? pod.spec?.restartPolicy;
  return `Container ${container.name} failed ${cause} probe${policy === "Never" ? "" : ", will be restarted"}`;
}

function finishGraceSeconds({ failure, pod }: PodState): number {
  return failure?.graceSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
}
