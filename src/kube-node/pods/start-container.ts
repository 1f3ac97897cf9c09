import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { errorText, GantryError, isGantryError } from "#base/errors.ts";
import type { Image } from "#images/image-store.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { Container, Pod } from "#formats/kube-types.generated.ts";
import type { EventType } from "#kube-client/events.ts";
import type { NodeDeps } from "../ports.ts";
import type { PreparedVolume } from "../volumes/pod-volumes.ts";
import { capabilitiesOf, containerConfig } from "./container-config.ts";
import { containerEvent } from "./container-event.ts";
import { containerEnvironment } from "./environment.ts";
import { runHook } from "./hooks.ts";
import { formatResolvConf, parseResolvConf, podHosts, podResolvConf } from "./network-files.ts";
import { localSeccompProfile, seccompProfileOf } from "./seccomp.ts";
import { makeTerminationFile, terminationFile } from "./termination-message.ts";
import { configSource, podDirectory, podFacts } from "./pod-context.ts";

export interface StartInputs {
  readonly pod: Pod;
  readonly container: Container;
  readonly restartCount: number;
  readonly sandboxId: string;
  readonly podIps: readonly string[];
  readonly image: Image;
  readonly volumes: ReadonlyMap<string, PreparedVolume>;
  readonly allCapabilities: readonly string[];
}

/** A postStart hook has as long as a pod may take to end. */
const HOOK_TIMEOUT_MS = 30_000;

/**
 * Makes and starts a container; returns its id. Throws with `details.reason` CreateContainerConfigError, CreateContainerError,
 * RunContainerError or PostStartHookError, after the events that Kubernetes records.
 */
export async function startContainer(deps: NodeDeps, inputs: StartInputs): Promise<string> {
  const { pod, container } = inputs;
  const { engine } = deps;
  const say = (type: EventType, reason: string, message: string): void =>
    containerEvent(deps, pod, container, type, reason, message);
  const config = await withReason(
    "CreateContainerConfigError",
    () => makeConfig(deps, inputs),
    (text) => say("Warning", "Failed", `Error: ${text}`),
  );
  const created = await withReason(
    "CreateContainerError",
    () => createOnce(deps, config),
    (text) => say("Warning", "Failed", `Error: ${text}`),
  );
  say("Normal", "Created", "Container created");
  await withReason(
    "RunContainerError",
    () => engine.start(created),
    (text) => say("Warning", "Failed", `Error: ${text}`),
  );
  say("Normal", "Started", "Container started");
  const hook = container.lifecycle?.postStart;
  if (hook) {
    const result = await runHook(hook, container, created, inputs.podIps[0] ?? "", deps, HOOK_TIMEOUT_MS);
    if (!result.ok) {
      // What the hook's server or command said may hold secrets: it is not told (kuberuntime_container.go).
      say("Warning", "FailedPostStartHook", "PostStartHook failed");
      await engine.stop(created, { timeoutSeconds: pod.spec?.terminationGracePeriodSeconds ?? 30 });
      throw new GantryError("exec-failed", result.message, { reason: "PostStartHookError" });
    }
  }
  return created;
}

/** A container of this name that was made and not started (a crash in between) is made anew. */
async function createOnce({ engine }: NodeDeps, config: Parameters<NodeDeps["engine"]["create"]>[0]): Promise<string> {
  const left = config.name === undefined ? undefined : engine.find(config.name);
  if (left) await engine.remove(left.id, { force: true, volumes: true });
  return (await engine.create(config)).id;
}

async function withReason<T>(reason: string, run: () => Promise<T>, report: (text: string) => void): Promise<T> {
  try {
    return await run();
  } catch (error) {
    const text = errorText(error);
    report(text);
    throw new GantryError(isGantryError(error) ? error.code : "internal", text, { reason }, error);
  }
}

async function makeConfig(deps: NodeDeps, inputs: StartInputs) {
  const { pod, container, podIps } = inputs;
  const services = Array.from(deps.informers.informer(RESOURCES.services).cache.values());
  const environment = await containerEnvironment(pod, container, services, configSource(deps), podFacts(deps, podIps));
  const files = await networkFiles(deps, pod, podIps);
  const lastWords = terminationFile(podDirectory(deps, pod), container.name, inputs.restartCount);
  await makeTerminationFile(lastWords);
  return containerConfig(container, {
    ...inputs,
    environment,
    seccomp: await seccompOf(deps, inputs),
    terminationFile: lastWords,
    ...files,
    domain: deps.config.clusterDomain,
    nodeMemoryBytes: deps.host.capacity().memoryBytes,
    lowestOomScoreAdj: deps.host.lowestOomScoreAdj,
    limitsHugePages: deps.host.limitsHugePages,
    netns: deps.config.netns,
    users: deps.usersOf(pod),
  });
}

async function seccompOf({ config }: NodeDeps, { pod, container, allCapabilities }: StartInputs) {
  const profile = seccompProfileOf(pod, container);
  if (profile?.type === "Unconfined") return "unconfined";
  if (profile?.type !== "Localhost") return undefined;
  const capabilities = capabilitiesOf(container.securityContext ?? {}, allCapabilities);
  return localSeccompProfile(join(config.dataDir, "seccomp"), profile, capabilities);
}

/** Writes the pod's hosts and resolv.conf; the same bytes each time, so containers that already have them see no change. */
async function networkFiles(
  { config, ...deps }: NodeDeps,
  pod: Pod,
  podIps: readonly string[],
): Promise<{ hostsFile: string; resolvConfFile: string }> {
  const directory = podDirectory({ config, ...deps }, pod);
  const hostsFile = join(directory, "etc-hosts");
  const resolvConfFile = join(directory, "resolv.conf");
  await mkdir(directory, { recursive: true, mode: 0o710 });
  await writeFile(hostsFile, podHosts(pod, pod.spec?.hostNetwork ? config.ips : podIps, config.clusterDomain), {
    mode: 0o644,
  });
  await writeFile(
    resolvConfFile,
    formatResolvConf(
      podResolvConf(
        pod,
        { dns: config.clusterDns, domain: config.clusterDomain },
        parseResolvConf(config.hostResolvConf),
      ),
    ),
    { mode: 0o644 },
  );
  return { hostsFile, resolvConfFile };
}
