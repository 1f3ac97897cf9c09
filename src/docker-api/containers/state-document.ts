import type { Container, Health } from "#containers/engine.ts";
import { formatTime, humanDuration, ZERO_TIME } from "#formats/docker-time.ts";

/** inspect's State. */
export function stateDocument(container: Container): object {
  const { state, health } = container;
  const exit = "exit" in state ? state.exit : undefined;
  const running = state.status === "running" || state.status === "paused" || state.status === "restarting";
  return {
    Status: state.status,
    Running: running,
    Paused: state.status === "paused",
    Restarting: state.status === "restarting",
    OOMKilled: exit?.oomKilled ?? false,
    Dead: state.status === "dead",
    Pid: "pid" in state ? state.pid : 0,
    ExitCode: exit?.code ?? 0,
    Error: exit?.error ?? "",
    StartedAt: "startedAt" in state && state.startedAt ? formatTime(state.startedAt) : ZERO_TIME,
    FinishedAt: formatTime(exit?.at),
    ...(health && { Health: { ...healthDocument(health), Status: healthStatus(container) } }),
  };
}

/** A container that was checked and has ended is unhealthy (moby, container/health). */
export function healthStatus({ state, health }: Container): "none" | Health["status"] {
  if (!health) return "none";
  return state.status === "exited" || state.status === "dead" ? "unhealthy" : health.status;
}

function healthDocument(health: Health): object {
  return {
    Status: health.status,
    FailingStreak: health.failingStreak,
    Log: health.log.map(({ start, end, exitCode, output }) => ({
      Start: formatTime(start),
      End: formatTime(end),
      ExitCode: exitCode,
      Output: output,
    })),
  };
}

/** `docker ps`'s STATUS column (moby container/state.go String). */
export function statusText(container: Container, nowMs: number): string {
  const { state } = container;
  const since = (at: number): string => humanDuration(nowMs - at);
  switch (state.status) {
    case "created":
      return "Created";
    case "running":
      return `Up ${since(state.startedAt)}${healthText(container.health)}`;
    case "paused":
      return `Up ${since(state.startedAt)} (Paused)`;
    case "restarting":
      return `Restarting (${state.exit.code}) ${since(state.exit.at)} ago`;
    case "exited":
      return `Exited (${state.exit.code}) ${since(state.exit.at)} ago`;
    case "dead":
      return "Dead";
    case "removing":
      return "Removal In Progress";
  }
}

function healthText(health: Health | undefined): string {
  if (!health) return "";
  return health.status === "starting" ? " (health: starting)" : ` (${health.status})`;
}
