import { GantryError } from "#base/errors.ts";
import type { ContainerExit, ContainerState } from "../engine.ts";

/**
 * A container's state as it is kept on disk. "starting" is the intent, written before the shim is made, so that a start cut
 * short is found and undone; outside the engine it shows as the state before.
 */
export type RecordState =
  | RestState
  | { readonly status: "starting"; readonly at: number; readonly before: RestState }
  | {
      readonly status: "running" | "paused";
      readonly pid: number;
      readonly startTicks: number;
      readonly startedAt: number;
    };

/** A state in which no process of the container exists. */
export type RestState =
  | { readonly status: "created"; readonly exit?: ContainerExit }
  | { readonly status: "restarting"; readonly startedAt: number; readonly exit: ContainerExit }
  | { readonly status: "exited" | "dead"; readonly startedAt: number; readonly exit: ContainerExit }
  | {
      readonly status: "removing";
      readonly volumes: boolean;
      readonly startedAt: number;
      readonly exit?: ContainerExit;
    };

export type Happening =
  | { readonly kind: "start"; readonly at: number }
  | { readonly kind: "started"; readonly pid: number; readonly startTicks: number; readonly at: number }
  | { readonly kind: "start-failed"; readonly exit: ContainerExit }
  | { readonly kind: "exited"; readonly exit: ContainerExit; readonly restart: boolean }
  | { readonly kind: "restart-cancelled" }
  | { readonly kind: "paused" }
  | { readonly kind: "unpaused" }
  | { readonly kind: "remove"; readonly volumes: boolean }
  | { readonly kind: "remove-failed"; readonly at: number };

/** The next state. Throws `internal` for what cannot happen in this state: callers refuse first, in Docker's words. */
export function transition(state: RecordState, happening: Happening): RecordState {
  switch (happening.kind) {
    case "start":
      if (state.status === "starting") return { ...state, at: happening.at };
      if (isRest(state) && state.status !== "removing" && state.status !== "dead")
        return { status: "starting", at: happening.at, before: state };
      break;
    case "started":
      if (state.status === "starting")
        return { status: "running", pid: happening.pid, startTicks: happening.startTicks, startedAt: happening.at };
      break;
    case "start-failed":
      if (state.status === "starting") return afterFailedStart(state.before, happening.exit);
      break;
    case "exited":
      if (state.status === "running" || state.status === "paused")
        return {
          status: happening.restart ? "restarting" : "exited",
          startedAt: state.startedAt,
          exit: happening.exit,
        };
      break;
    case "restart-cancelled":
      if (state.status === "restarting") return { status: "exited", startedAt: state.startedAt, exit: state.exit };
      break;
    case "paused":
      if (state.status === "running") return { ...state, status: "paused" };
      break;
    case "unpaused":
      if (state.status === "paused") return { ...state, status: "running" };
      break;
    case "remove":
      if (isRest(state)) return removing(state, happening.volumes);
      break;
    case "remove-failed":
      if (state.status === "removing")
        return {
          status: "dead",
          startedAt: state.startedAt,
          exit: state.exit ?? { code: 0, oomKilled: false, error: "", at: happening.at },
        };
      break;
  }
  throw new GantryError("internal", `container state ${state.status}: "${happening.kind}" cannot happen`);
}

/** Whether no process of the container exists. */
export function isRest(state: RecordState): state is RestState {
  return state.status !== "running" && state.status !== "paused" && state.status !== "starting";
}

/** Docker's "Running": it has a process, or will have one again by its restart policy. */
export function isUp(state: RecordState): boolean {
  return state.status === "running" || state.status === "paused" || state.status === "restarting";
}

/** The last exit, when there was one. */
export function lastExit(state: RecordState): ContainerExit | undefined {
  if (state.status === "starting") return lastExit(state.before);
  return isRest(state) ? state.exit : undefined;
}

/** What the world sees. */
export function publicState(state: RecordState): ContainerState {
  switch (state.status) {
    case "starting":
      return publicState(state.before);
    case "running":
    case "paused":
      return { status: state.status, pid: state.pid, startedAt: state.startedAt };
    case "removing":
      return { status: "removing", ...(state.exit ? { exit: state.exit } : {}) };
    default:
      return state;
  }
}

/** A container that has never run stays "created" (with the reason) when its start fails, as Docker shows it. */
function afterFailedStart(before: RestState, exit: ContainerExit): RecordState {
  if (before.status === "created") return { status: "created", exit };
  return { status: "exited", startedAt: before.startedAt, exit };
}

function removing(state: RestState, volumes: boolean): RecordState {
  const startedAt = state.status === "created" ? 0 : state.startedAt;
  return { status: "removing", volumes, startedAt, ...(state.exit ? { exit: state.exit } : {}) };
}
