import { errorText } from "#base/errors.ts";
import type { Pod } from "#formats/kube-types.generated.ts";
import { containerUsers } from "./container-users.ts";
import { crashBackoff } from "./crash-backoff.ts";
import { endPod, killAll } from "./end-pod.ts";
import { tokenSource } from "./pod-context.ts";
import { isRunning } from "./observed.ts";
import { endIsDue, observe, podIps, type PodState, type WorkerDeps } from "./pod-state.ts";
import { probeSet } from "./probe-set.ts";
import { imagePuller } from "./pull-image.ts";
import { statusWriter } from "./status-writer.ts";
import type { PodFailure } from "./status-inputs.ts";
import { syncPod } from "./sync-pod.ts";

/** The one owner of a pod's state on this node. Everything it does for the pod happens one after the other. */
export interface PodWorker {
  readonly pod: Pod;
  /** A change of its resources has to wait until others' are free. */
  readonly waitsForResources: boolean;
  /** A newer document of the pod. */
  update(pod: Pod): void;
  /** Something of the pod changed: a container ended, a probe result is new. */
  poke(): void;
  /** A configMap or secret changed that the pod's volumes may show. */
  refresh(): void;
  /** The node ends the pod: it fails with this reason. */
  evict(failure: PodFailure): void;
  /** Resolves when a pod that the node ends has ended, and the API knows. */
  whenEnded(): Promise<void>;
  /** The API no longer has the pod: what is left of it is ended at once. */
  orphan(): void;
  /** A static pod's mirror was made (again): it is told how the pod stands. */
  mirrored(): void;
  /** The manifest of a static pod is gone: it ends within its grace, and its mirror with it. */
  withdraw(): void;
  /** Stops working; containers run on. */
  close(): void;
}

/** After a failure that no event will tell the end of (a missing object, a full disk). */
const RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;

export function podWorker(deps: WorkerDeps, first: Pod): PodWorker {
  const timer = wakeTimer(deps, () => loop.poke());
  const state = podState(deps, first, { poke: () => loop.poke(), wakeAt: timer.wakeAt });
  const loop = workLoop(state);
  return {
    get pod() {
      return state.pod;
    },
    get waitsForResources() {
      return state.resize?.kind === "pending";
    },
    update(next) {
      const before = state.pod.metadata.deletionGracePeriodSeconds;
      state.pod = next;
      if (endIsDue(state)) {
        state.aborter.abort();
        const grace = next.metadata.deletionGracePeriodSeconds;
        // A second deletion may shorten the first one's grace while its stop is under way.
        if (before !== undefined && grace !== undefined && grace < before)
          deps.clock.after(grace * 1000, () => void killAll(state));
      }
      loop.poke();
    },
    poke: loop.poke,
    refresh() {
      state.filesAreStale = true;
      // What a container waits for may just have come: those that wait for a volume are tried at once.
      for (const name of state.retryAt.keys()) if (!state.waiting.has(name)) state.retryAt.delete(name);
      loop.poke();
    },
    evict(failure) {
      if (state.mode !== "run" || state.failure) return;
      state.failure = failure;
      loop.poke();
    },
    whenEnded: () => loop.ended,
    orphan() {
      if (state.mode !== "run") return;
      state.mode = "orphaned";
      state.aborter.abort();
      void killAll(state);
      loop.poke();
    },
    mirrored() {
      state.writer.reset();
      loop.poke();
    },
    withdraw() {
      if (state.mode !== "run") return;
      state.mode = "withdrawn";
      state.aborter.abort();
      loop.poke();
    },
    close() {
      state.mode = "closed";
      state.probes.stop();
      timer.cancel();
      state.aborter.abort();
    },
  };
}

/** Runs the sync again as long as something happened meanwhile; one at a time. */
function workLoop(state: PodState): { poke(): void; readonly ended: Promise<void> } {
  const ended = Promise.withResolvers<void>();
  let dirty = false;
  let running = false;
  let failures = 0;
  const once = async (): Promise<void> => {
    try {
      await (endIsDue(state) ? endPod(state) : syncPod(state));
      if (hasEnded(state)) await state.writer.flushed().then(ended.resolve);
      failures = 0;
    } catch (error) {
      const { name, namespace } = state.pod.metadata;
      state.deps.logger.warn({ pod: name, namespace, error: errorText(error) }, "pod not synced; trying again");
      state.wakeAt(state.deps.clock.now() + Math.min(LONGEST_RETRY_MS, RETRY_MS * 2 ** failures++));
    }
  };
  const run = async (): Promise<void> => {
    running = true;
    while (dirty && state.mode !== "closed" && state.mode !== "gone") {
      dirty = false;
      await once();
    }
    running = false;
  };
  return {
    ended: ended.promise,
    poke() {
      dirty = true;
      if (!running) void run();
    },
  };
}

function hasEnded(state: PodState): boolean {
  if (state.mode === "gone") return true;
  const { sandbox, current } = observe(state);
  return state.failure !== undefined && !isRunning(sandbox) && !Array.from(current.values()).some(isRunning);
}

/** One timer for the worker: the earliest wish counts. */
function wakeTimer({ clock }: WorkerDeps, poke: () => void): { wakeAt(at: number): void; cancel(): void } {
  let due = Infinity;
  let cancel: () => void = () => undefined;
  return {
    wakeAt(at) {
      if (at >= due && due > clock.now()) return;
      cancel();
      due = at;
      cancel = clock.after(at - clock.now(), () => {
        due = Infinity;
        poke();
      });
    },
    cancel: () => cancel(),
  };
}

function podState(deps: WorkerDeps, pod: Pod, loop: { poke(): void; wakeAt(at: number): void }): PodState {
  const state: PodState = {
    deps,
    uid: pod.metadata.uid ?? "",
    pod,
    mode: "run",
    backoff: crashBackoff(),
    puller: imagePuller(deps),
    tokens: tokenSource(deps, pod),
    writer: statusWriter(deps),
    probes: probeSet(deps, {
      pod: () => state.pod,
      podIp: () => podIps(state, observe(state))[0] ?? "",
      onChange: loop.poke,
    }),
    waiting: new Map(),
    retryAt: new Map(),
    sandboxNotBefore: 0,
    sandboxFailures: 0,
    lastWords: new Map(),
    users: containerUsers(deps.host),
    resize: undefined,
    resizeNotBefore: 0,
    failure:
      pod.status?.phase === "Failed"
        ? { reason: pod.status.reason ?? "", message: pod.status.message ?? "" }
        : undefined,
    prepared: undefined,
    preparedFor: "",
    filesAreStale: false,
    stamp: 0,
    aborter: new AbortController(),
    wakeAt: loop.wakeAt,
  };
  return state;
}
