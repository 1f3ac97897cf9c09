import type { HealthcheckConfig } from "#formats/image-config.ts";
import type { Health } from "../engine.ts";

/** A health check with its defaults filled in (moby, daemon/health). Times in milliseconds. */
export interface HealthPlan {
  readonly args: readonly string[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly startPeriodMs: number;
  readonly startIntervalMs: number;
  readonly retries: number;
}

export interface ProbeResult {
  readonly start: number;
  readonly end: number;
  /** 0: healthy; -1: could not be run, or took too long. */
  readonly exitCode: number;
  readonly output: string;
}

const DEFAULT_SHELL: readonly string[] = ["/bin/sh", "-c"];
const NANOS_PER_MS = 1e6;
const KEPT_RESULTS = 5;

/** undefined: the container has no check, or turned its image's off. */
export function healthPlan(
  config: HealthcheckConfig | undefined,
  shell: readonly string[] = DEFAULT_SHELL,
): HealthPlan | undefined {
  const [kind, ...command] = config?.Test ?? [];
  if (!config || (kind !== "CMD" && kind !== "CMD-SHELL")) return undefined;
  const milliseconds = (nanos: number | undefined, other: number): number => (nanos ? nanos / NANOS_PER_MS : other);
  return {
    args: kind === "CMD" ? command : [...shell, ...command],
    intervalMs: milliseconds(config.Interval, 30_000),
    timeoutMs: milliseconds(config.Timeout, 30_000),
    startPeriodMs: milliseconds(config.StartPeriod, 0),
    startIntervalMs: milliseconds(config.StartInterval, 5_000),
    retries: config.Retries && config.Retries > 0 ? config.Retries : 3,
  };
}

/** What a container that has just started is. */
export function startingHealth(before: Health | undefined): Health {
  return { status: "starting", failingStreak: 0, log: before?.log ?? [] };
}

/** A failure in the start period counts only once the container has been healthy. */
export function afterProbe(health: Health, result: ProbeResult, plan: HealthPlan, startedAt: number): Health {
  const log = [...health.log, result].slice(-KEPT_RESULTS);
  if (result.exitCode === 0) return { status: "healthy", failingStreak: 0, log };
  const excused = health.status === "starting" && result.start - startedAt < plan.startPeriodMs;
  const failingStreak = excused ? health.failingStreak : health.failingStreak + 1;
  return { status: !excused && failingStreak >= plan.retries ? "unhealthy" : health.status, failingStreak, log };
}

/** How long to wait before the next probe: closer together while the container starts up. */
export function probeDelay(health: Health, plan: HealthPlan, startedAt: number, now: number): number {
  const left = plan.startPeriodMs - (now - startedAt);
  if (left <= 0) return plan.intervalMs;
  // The first probe after the start period comes right at its end.
  const usual = health.status === "starting" ? plan.startIntervalMs : plan.intervalMs;
  return Math.min(usual, left);
}
