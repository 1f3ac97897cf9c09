import { errorText, isGantryError } from "#base/errors.ts";
import type { Container as EngineContainer } from "#containers/engine.ts";
import type { Container, Pod } from "#formats/kube-types.generated.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { NodeDeps } from "../ports.ts";
import { preparePodVolumes, removePodVolumes, type PreparedVolumes } from "../volumes/pod-volumes.ts";
import { crashBackoff } from "./crash-backoff.ts";
import { exitOf, isRunning, observePod, type ObservedPod } from "./observed.ts";
import { planPod, type PodAction, type StopCause } from "./plan.ts";
import { claimVolume, configSource, podDirectory, podFacts, tokenSource } from "./pod-context.ts";
import { probeSet } from "./probe-set.ts";
import { imagePuller } from "./pull-image.ts";
import { podCgroup } from "./qos.ts";
import { podResources } from "./resources.ts";
import { startContainer } from "./start-container.ts";
import { sandboxConfig } from "./container-config.ts";
import { podStatus, type Waiting } from "./status.ts";
import { statusWriter } from "./status-writer.ts";
import { stopContainer, stopPod } from "./terminate.ts";

/** The one owner of a pod's state on this node. Everything it does for the pod happens one after the other. */
export interface PodWorker {
  /** A newer document of the pod. */
  update(pod: Pod): void;
  /** Something of the pod changed: a container ended, a file or probe result is new. */
  poke(): void;
  /** A configMap or secret changed that the pod's volumes may show. */
  refresh(): void;
  /** The API no longer has the pod: what is left of it is ended at once. */
  orphan(): void;
  /** Stops working; containers run on. */
  close(): void;
  readonly pod: Pod;
}

export interface WorkerDeps extends NodeDeps {
  readonly containersOf: (uid: string) => readonly EngineContainer[];
  readonly allCapabilities: readonly string[];
  /** Nothing of the pod is left on this node. */
  readonly onGone: (uid: string) => void;
}

/** After a failure that nothing will tell of (an object that is missing, a disk that is full). */
const RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;

export function podWorker(deps: WorkerDeps, first: Pod): PodWorker {
  const uid = first.metadata.uid ?? "";
  const { engine, clock, events, logger } = deps;
  const backoff = crashBackoff();
  const puller = imagePuller(deps);
  const tokens = tokenSource(deps, first);
  const writer = statusWriter(deps);
  const waiting = new Map<string, Waiting>();
  const retryAt = new Map<string, number>();
  const aborter = new AbortController();
  let pod = first;
  let mode: "run" | "orphaned" | "closed" | "gone" = "run";
  let dirty = false;
  let running = false;
  let failures = 0;
  let stamp = 0;
  let filesAreStale = false;
  let preparedVersion = "";
  let prepared: PreparedVolumes | undefined;
  let cancelWake: () => void = () => undefined;

  const poke = (): void => {
    dirty = true;
    if (!running) void run();
  };
  const probes = probeSet(deps, { pod: () => pod, podIp: () => podIps(observe())[0] ?? "", onChange: poke });

  function observe(): ObservedPod {
    return observePod(uid, deps.containersOf(uid));
  }

  function podIps(observed: ObservedPod): string[] {
    if (pod.spec?.hostNetwork) return [deps.config.ip];
    const endpoint = isRunning(observed.sandbox) ? observed.sandbox?.endpoints[0] : undefined;
    return endpoint ? [endpoint.ipv4, endpoint.ipv6].filter((ip) => ip !== "") : [];
  }

  async function run(): Promise<void> {
    running = true;
    while (dirty && mode !== "closed" && mode !== "gone") {
      dirty = false;
      try {
        await sync();
        failures = 0;
      } catch (error) {
        if (aborter.signal.aborted && !endIsDue()) continue;
        failures++;
        logger.warn(
          { pod: pod.metadata.name, namespace: pod.metadata.namespace, error: errorText(error) },
          "pod not synced; trying again",
        );
        wakeAt(clock.now() + Math.min(LONGEST_RETRY_MS, RETRY_MS * 2 ** (failures - 1)));
      }
    }
    running = false;
  }

  function wakeAt(at: number): void {
    cancelWake();
    cancelWake = clock.after(at - clock.now(), poke);
  }

  function endIsDue(): boolean {
    return mode === "orphaned" || pod.metadata.deletionTimestamp !== undefined;
  }

  async function sync(): Promise<void> {
    if (endIsDue()) return end();
    let observed = observe();
    // A pod that is done stays as it is, whatever happens to its remains.
    const phase = pod.status?.phase;
    if ((phase === "Succeeded" || phase === "Failed") && !isRunning(observed.sandbox)) return;
    noteRuns(observed);
    for (let pass = 0; pass < 100 && !endIsDue(); pass++) {
      probes.follow(observed);
      const actions = planPod(pod, observed, {
        now: clock.now(),
        notBefore: notBefore(observed),
        condemned: probes.condemned,
        started: probes.started,
      });
      report(observed);
      const todo = actions.filter((action) => action.kind !== "wake");
      const wakes = actions.flatMap((action) => (action.kind === "wake" ? [action.at] : []));
      if (prepared?.renewAt !== undefined) wakes.push(prepared.renewAt);
      if (wakes.length > 0) wakeAt(Math.min(...wakes));
      if (todo.length === 0) break;
      for (const action of todo) {
        await perform(action, observed);
        if (endIsDue()) break;
      }
      observed = observe();
    }
    await refreshFiles(observed);
    report(observe());
  }

  /** The back-off learns of runs that ended, and a container that is waiting for it says so. */
  function noteRuns(observed: ObservedPod): void {
    for (const [name, container] of observed.current) {
      const exit = exitOf(container);
      if (exit)
        backoff.ran(
          name,
          Number(container.config.labels["io.kubernetes.container.restartCount"] ?? 0),
          exit.at - exit.startedAt,
        );
    }
  }

  function notBefore(observed: ObservedPod) {
    return (name: string, restartCount: number): number => {
      const retry = retryAt.get(name) ?? 0;
      const exit = exitOf(observed.current.get(name));
      if (!exit) return retry;
      const delay = backoff.delayMs(name, restartCount);
      const at = Math.max(exit.at + delay, retry);
      if (at > clock.now() && delay > 0) sayBackoff(name, delay);
      return at;
    };
  }

  function sayBackoff(name: string, delayMs: number): void {
    const where = `${name} pod=${pod.metadata.name}_${pod.metadata.namespace}(${uid})`;
    const message = `back-off ${humanDelay(delayMs)} restarting failed container=${where}`;
    if (waiting.get(name)?.message === message) return;
    waiting.set(name, { reason: "CrashLoopBackOff", message });
    events.record(
      pod,
      "Warning",
      "BackOff",
      `Back-off restarting failed container ${name} in pod ${pod.metadata.name}_${pod.metadata.namespace}(${uid})`,
    );
  }

  async function perform(action: Exclude<PodAction, { kind: "wake" }>, observed: ObservedPod): Promise<void> {
    switch (action.kind) {
      case "start-sandbox":
        return startSandbox(action.attempt, observed);
      case "start":
        return start(action.container, action.restartCount);
      case "stop":
        return stopOne(action.name, action.cause, observed);
      case "remove":
        return removeQuietly(action.containerId);
      case "finish":
        return engine.stop(action.sandboxId, { timeoutSeconds: 0 });
    }
  }

  async function startSandbox(attempt: number, observed: ObservedPod): Promise<void> {
    try {
      await engine.setCgroupParent(podCgroup(pod), podResources(pod));
      if (observed.sandbox?.state.status === "created") await removeQuietly(observed.sandbox.id);
      const config = sandboxConfig(pod, attempt, {
        podNetwork: deps.config.podNetwork,
        domain: deps.config.clusterDomain,
        aliases: [],
      });
      const sandbox = await engine.create(config);
      await engine.start(sandbox.id);
    } catch (error) {
      events.record(pod, "Warning", "FailedCreatePodSandBox", `Failed to create pod sandbox: ${errorText(error)}`);
      throw error;
    }
  }

  async function start(container: Container, restartCount: number): Promise<void> {
    const observed = observe();
    if (!observed.sandbox || !isRunning(observed.sandbox)) return;
    try {
      const image = await puller.ensure(pod, container, aborter.signal);
      const volumes = await volumesOf(observed);
      await startContainer(deps, {
        pod,
        container,
        restartCount,
        sandboxId: observed.sandbox.id,
        podIps: podIps(observed),
        image,
        volumes,
        allCapabilities: deps.allCapabilities,
      });
      waiting.delete(container.name);
      retryAt.delete(container.name);
    } catch (error) {
      if (aborter.signal.aborted) return;
      const details = isGantryError(error) ? error.details : {};
      waiting.set(container.name, {
        reason: typeof details["reason"] === "string" ? details["reason"] : "CreateContainerError",
        message: errorText(error),
      });
      const until = details["until"];
      retryAt.set(container.name, typeof until === "number" ? until : clock.now() + RETRY_MS * 10);
    }
  }

  async function volumesOf(observed: ObservedPod): Promise<PreparedVolumes["byName"]> {
    try {
      prepared = await preparePodVolumes({
        pod,
        source: configSource(deps),
        facts: podFacts(deps, podIps(observed)),
        token: tokens,
        directory: podDirectory(deps, pod),
        host: deps.host,
        claim: (namespace, name) => claimVolume(deps, namespace, name),
        stamp: `${new Date(clock.now()).toISOString().slice(0, 19).replaceAll(/[-:T]/g, "_")}.${stamp++}`,
      });
      preparedVersion = versionOf(pod);
      return prepared.byName;
    } catch (error) {
      events.record(pod, "Warning", "FailedMount", `MountVolume.SetUp failed: ${errorText(error)}`);
      throw error;
    }
  }

  /** Files of configMaps, secrets and tokens follow their objects while containers run. */
  async function refreshFiles(observed: ObservedPod): Promise<void> {
    if (!prepared || !isRunning(observed.sandbox)) return;
    const due = prepared.renewAt !== undefined && prepared.renewAt <= clock.now();
    if (due || preparedVersion !== versionOf(pod) || filesAreStale) await volumesOf(observed);
    filesAreStale = false;
    if (prepared.renewAt !== undefined) wakeAt(prepared.renewAt);
  }

  async function stopOne(name: string, cause: StopCause, observed: ObservedPod): Promise<void> {
    const container = allContainers(pod).find((each) => each.name === name);
    const found = observed.current.get(name);
    if (!container || !found) return;
    if (cause === "liveness" || cause === "startup")
      events.record(pod, "Normal", "Killing", `Container ${name} failed ${cause} probe, will be restarted`);
    await stopContainer(
      deps,
      pod,
      container,
      found,
      podIps(observed)[0] ?? "",
      pod.spec?.terminationGracePeriodSeconds ?? 30,
    );
  }

  async function removeQuietly(id: string): Promise<void> {
    try {
      await engine.remove(id, { force: true, volumes: true });
    } catch (error) {
      if (!isGantryError(error, "not-found")) throw error;
    }
  }

  function report(observed: ObservedPod): void {
    if (mode !== "run") return;
    writer.set(
      pod,
      podStatus(pod, observed, {
        now: clock.now(),
        hostIp: deps.config.ip,
        podIps: podIps(observed),
        imageId: (container) => imageIdOf(deps, container),
        waiting: (name) => waiting.get(name),
        ready: probes.ready,
        started: probes.started,
      }),
    );
  }

  /** The end of a pod: containers within the grace, a last status, then nothing of it is left here, and the API may forget it. */
  async function end(): Promise<void> {
    probes.stop();
    const grace =
      mode === "orphaned"
        ? 0
        : (pod.metadata.deletionGracePeriodSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? 30);
    await stopPod(deps, pod, observe(), grace);
    report(observe());
    await writer.flushed();
    const { sandbox, current, previous, superseded } = observe();
    const all = [...current.values(), ...previous.values(), ...superseded, ...(sandbox ? [sandbox] : [])];
    await Promise.all(all.map(({ id }) => removeQuietly(id)));
    await removePodVolumes(podDirectory(deps, pod), pod, deps.host);
    await engine.removeCgroupParent(podCgroup(pod));
    if (mode !== "orphaned") await forgetInApi();
    mode = "gone";
    cancelWake();
    deps.onGone(uid);
  }

  async function forgetInApi(): Promise<void> {
    try {
      await deps.client.delete(RESOURCES.pods, pod.metadata.namespace, pod.metadata.name ?? "", {
        gracePeriodSeconds: 0,
        preconditions: { uid },
      });
    } catch (error) {
      if (!isGantryError(error, "not-found") && !isGantryError(error, "conflict")) throw error;
    }
  }

  return {
    get pod() {
      return pod;
    },
    update(next) {
      const wasDue = endIsDue();
      pod = next;
      if (endIsDue() && !wasDue) aborter.abort();
      poke();
    },
    poke,
    refresh() {
      filesAreStale = true;
      poke();
    },
    orphan() {
      if (mode !== "run") return;
      mode = "orphaned";
      aborter.abort();
      // A stop that waits for its grace is cut short: the pod was deleted by force.
      void killAll(deps, observe());
      poke();
    },
    close() {
      mode = "closed";
      probes.stop();
      cancelWake();
      aborter.abort();
    },
  };
}

async function killAll({ engine, logger }: NodeDeps, observed: ObservedPod): Promise<void> {
  for (const container of observed.current.values()) {
    if (!isRunning(container)) continue;
    await engine
      .kill(container.id, 9)
      .catch((error: unknown) => logger.debug({ id: container.id, error: errorText(error) }, "already gone"));
  }
}

function allContainers(pod: Pod): Container[] {
  return [
    ...(pod.spec?.containers ?? []),
    ...(pod.spec?.initContainers ?? []),
    ...((pod.spec?.ephemeralContainers ?? []) as Container[]),
  ];
}

/** What of a pod's document can change its files. */
function versionOf(pod: Pod): string {
  return JSON.stringify([pod.metadata.labels, pod.metadata.annotations]);
}

function imageIdOf({ images }: NodeDeps, container: EngineContainer): string {
  const id = container.config.imageId;
  if (id === undefined) return "";
  return images.find(id)?.digests[0] ?? id;
}

/** Go's form of a duration: 10s, 1m20s, 5m0s. */
function humanDelay(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
