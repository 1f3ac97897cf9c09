import { refusal } from "./admit.ts";
import { restartCountOf } from "./labels.ts";
import { exitOf, isRunning, type ObservedPod } from "./observed.ts";
import { containerEvent } from "./container-event.ts";
import { grantedResizes } from "./perform-resize.ts";
import { filesAreDue, perform, prepareVolumes } from "./perform.ts";
import { planPod } from "./plan.ts";
import { podDirectory } from "./pod-context.ts";
import { allContainers, endIsDue, observe, podIps, report, type PodState } from "./pod-state.ts";
import { terminationFile, terminationMessage } from "./termination-message.ts";

/** Passes of one sync: each carries out a plan; a pod that still wants something then is looked at again by its events. */
const MOST_PASSES = 100;

/** Brings what runs in line with the pod's document, and the API's status in line with what runs. */
export async function syncPod(state: PodState): Promise<void> {
  const { deps, probes } = state;
  let observed = observe(state);
  const phase = state.pod.status?.phase;
  // A pod that is done stays as it is, whatever happens to its remains.
  if ((phase === "Succeeded" || phase === "Failed") && !isRunning(observed.sandbox)) return;
  await noteRuns(state, observed);
  noteRefusal(state, observed);
  noteDeadline(state);
  for (let pass = 0; pass < MOST_PASSES && !endIsDue(state); pass++) {
    probes.follow(observed);
    const actions = planPod(state.pod, observed, {
      now: deps.clock.now(),
      notBefore: notBefore(state, observed),
      condemned: probes.condemned,
      resizes: grantedResizes(state, observed),
      started: probes.started,
      failed: state.failure !== undefined,
      sandboxNotBefore: state.sandboxNotBefore,
    });
    report(state, observed);
    const todo = actions.filter((action) => action.kind !== "wake");
    for (const action of actions) if (action.kind === "wake") state.wakeAt(action.at);
    if (todo.length === 0) break;
    for (const action of todo) {
      if (endIsDue(state)) break;
      await perform(state, action, observed);
    }
    observed = observe(state);
  }
  await refreshFiles(state, observed);
}

/** The back-off learns of runs that ended, and their last words are read once. */
async function noteRuns(state: PodState, observed: ObservedPod): Promise<void> {
  for (const [name, run] of observed.current) {
    const exit = exitOf(run);
    if (!exit) continue;
    const restartCount = restartCountOf(run);
    state.backoff.ran(name, restartCount, exit.at - exit.startedAt);
    const container = allContainers(state.pod).find((each) => each.name === name);
    if (!container || state.lastWords.has(run.id)) continue;
    const path = terminationFile(podDirectory(state.deps, state.pod), name, restartCount);
    state.lastWords.set(run.id, await terminationMessage(state.deps.engine, container, run, exit.code, path));
  }
  const known = new Set([...observed.current.values(), ...observed.previous.values()].map(({ id }) => id));
  for (const id of state.lastWords.keys()) if (!known.has(id)) state.lastWords.delete(id);
}

/** A pod that this node will not run is failed before anything of it is made. */
function noteRefusal(state: PodState, observed: ObservedPod): void {
  const { deps, pod } = state;
  if (state.failure || observed.sandbox || observed.current.size > 0) return;
  const refused = refusal(pod, deps);
  if (!refused) return;
  const isWhole = refused.message.startsWith("Pod was rejected");
  state.failure = { ...refused, message: isWhole ? refused.message : `Pod was rejected: ${refused.message}` };
  deps.events.record(pod, "Warning", refused.reason, refused.message);
}

/** A pod with a deadline ends with it (activeDeadlineSeconds). */
function noteDeadline(state: PodState): void {
  const { deps, pod } = state;
  const seconds = pod.spec?.activeDeadlineSeconds;
  if (seconds === undefined || state.failure) return;
  const at = Date.parse(pod.status?.startTime ?? "") + seconds * 1000;
  if (Number.isNaN(at)) return;
  if (at > deps.clock.now()) return state.wakeAt(at);
  const message = "Pod was active on the node longer than the specified deadline";
  state.failure = { reason: "DeadlineExceeded", message };
  deps.events.record(pod, "Normal", "DeadlineExceeded", message);
}

function notBefore(state: PodState, observed: ObservedPod) {
  return (name: string, restartCount: number): number => {
    const retry = state.retryAt.get(name) ?? 0;
    const exit = exitOf(observed.current.get(name));
    if (!exit) return retry;
    const delayMs = state.backoff.delayMs(name, restartCount);
    const at = Math.max(exit.at + delayMs, retry);
    if (delayMs > 0 && at > state.deps.clock.now()) sayBackoff(state, name, delayMs);
    return at;
  };
}

/** A container that is waiting for its back-off says so, once for each delay. */
function sayBackoff({ deps, pod, uid, waiting }: PodState, name: string, delayMs: number): void {
  const { metadata } = pod;
  const message = `back-off ${goDuration(delayMs)} restarting failed container=${name} pod=${metadata.name}_${metadata.namespace}(${uid})`;
  if (waiting.get(name)?.message === message) return;
  waiting.set(name, { reason: "CrashLoopBackOff", message });
  containerEvent(
    deps,
    pod,
    { name },
    "Warning",
    "BackOff",
    `Back-off restarting failed container ${name} in pod ${metadata.name}_${metadata.namespace}(${uid})`,
  );
}

/** Go's form of a duration: 10s, 1m20s, 5m0s. */
function goDuration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}

/** Files of configMaps, secrets, labels and tokens follow their sources while containers run. */
async function refreshFiles(state: PodState, observed: ObservedPod): Promise<void> {
  if (!state.prepared || !isRunning(observed.sandbox) || endIsDue(state)) return;
  if (filesAreDue(state)) await prepareVolumes(state, podIps(state, observed));
  if (state.prepared?.renewAt !== undefined) state.wakeAt(state.prepared.renewAt);
}
