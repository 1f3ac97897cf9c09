import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import type { Container, Probe } from "#formats/kube-types.generated.ts";
import { runProbe, type ProbeTarget } from "./run-probe.ts";

export type ProbeKind = "startup" | "liveness" | "readiness";

/** The probes of one run of one container. */
export interface ContainerProbes {
  readonly ready: boolean;
  readonly started: boolean;
  /** The probe that condemned this run. */
  readonly condemned: "startup" | "liveness" | undefined;
  stop(): void;
}

export interface ProberOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly target: ProbeTarget;
  /** A result that matters changed. */
  readonly onChange: () => void;
  readonly onFailure: (kind: ProbeKind, message: string) => void;
  /** Results of this run from before a restart of the kubelet. */
  readonly known?: { readonly ready: boolean; readonly started: boolean } | undefined;
}

/** Starts the probes of a container that has just started: startup first, then liveness and readiness. */
export function startProbes(container: Container, options: ProberOptions): ContainerProbes {
  const stops: (() => void)[] = [];
  const { known } = options;
  const state = {
    ready: known?.ready ?? container.readinessProbe === undefined,
    started: known?.started ?? container.startupProbe === undefined,
    condemned: undefined as "startup" | "liveness" | undefined,
  };
  const condemn =
    (kind: "startup" | "liveness") =>
    (healthy: boolean): void => {
      if (healthy || state.condemned) return;
      state.condemned = kind;
      options.onChange();
    };
  const watch = (kind: ProbeKind, probe: Probe, onResult: (healthy: boolean) => void): void => {
    stops.push(repeatProbe(kind, probe, options, onResult));
  };
  const startOthers = (): void => {
    if (container.livenessProbe) watch("liveness", container.livenessProbe, condemn("liveness"));
    if (container.readinessProbe) {
      watch("readiness", container.readinessProbe, (healthy) => {
        if (state.ready === healthy) return;
        state.ready = healthy;
        options.onChange();
      });
    }
  };
  if (container.startupProbe && !state.started) {
    const stopStartup = repeatProbe("startup", container.startupProbe, options, (healthy) => {
      if (!healthy) return condemn("startup")(false);
      stopStartup();
      state.started = true;
      startOthers();
      options.onChange();
    });
    stops.push(stopStartup);
  } else startOthers();
  return {
    get ready() {
      return state.ready && state.started;
    },
    get started() {
      return state.started;
    },
    get condemned() {
      return state.condemned;
    },
    stop() {
      for (const stop of stops) stop();
    },
  };
}

/** Runs a probe each period; tells of a success or failure once its threshold is reached. The result stops it. */
function repeatProbe(
  kind: ProbeKind,
  probe: Probe,
  options: ProberOptions,
  onResult: (healthy: boolean) => void,
): () => void {
  const periodMs = (probe.periodSeconds ?? 10) * 1000;
  const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000;
  const thresholds = { true: probe.successThreshold ?? 1, false: probe.failureThreshold ?? 3 };
  let streak = { healthy: true, count: 0 };
  let stopped = false;
  let cancel: () => void = () => undefined;
  const run = async (): Promise<void> => {
    const due = options.clock.now() + periodMs;
    const result = await runProbe(probe, options.target, timeoutMs);
    if (stopped) return;
    streak =
      streak.healthy === result.ok ? { healthy: result.ok, count: streak.count + 1 } : { healthy: result.ok, count: 1 };
    if (!result.ok) options.onFailure(kind, result.message);
    if (streak.count >= thresholds[`${result.ok}`]) onResult(result.ok);
    if (!stopped) cancel = options.clock.after(due - options.clock.now(), () => void run());
  };
  // The first readiness and startup results are what people wait for: they are asked for at once.
  const initialMs = (probe.initialDelaySeconds ?? 0) * 1000;
  const spreadMs = kind === "liveness" ? options.random.next() * Math.min(periodMs, 1000) : 0;
  cancel = options.clock.after(initialMs + spreadMs, () => void run());
  return () => {
    stopped = true;
    cancel();
  };
}
