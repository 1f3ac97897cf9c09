import { GantryError } from "#base/errors.ts";
import { signal, type Signal } from "#base/signal.ts";
import type { Cgroup } from "#linux/cgroups.ts";
import type { Shim } from "#linux/shim.ts";
import type { Endpoint } from "#network/networks.ts";
import type { Container, ContainerExit } from "../engine.ts";
import type { ContainerRecord } from "./record.ts";
import { publicState } from "./state.ts";

/** The shim's name for a container's first process. */
export const INIT = "init";

/** A container in the memory of the engine. Changed only by the verb that holds the container's place in `serial`. */
export interface Entry {
  readonly id: string;
  record: ContainerRecord;
  endpoints: readonly Endpoint[];
  /** Live execs. */
  execIds: readonly string[];
  /** What exists while it has a process. */
  run: Run | undefined;
  /** Cancels the restart that is due. */
  cancelRestart: (() => void) | undefined;
  /** It is being restarted by a user: its end does not remove it. */
  keep: boolean;
  /** Attachers that wait for the next start. */
  readonly waiting: Set<PendingAttach>;
  /** Each end of a run, and a start that failed. */
  readonly exits: Signal<ContainerExit>;
  /** Once, when it is gone. */
  readonly removed: Signal<ContainerExit>;
  view: Container | undefined;
}

export interface Run {
  /** undefined: it was lost, and the run is about to be ended. */
  readonly shim: Shim | undefined;
  readonly cgroup: Cgroup;
  /** Its shim may have other processes than the first: execs, of this engine or of an earlier one. */
  hasExecs: boolean;
  /** Resolves when the run has ended and everything of it is written. */
  readonly ended: PromiseWithResolvers<void>;
  /** Stops the health checks. */
  stopHealth: (() => void) | undefined;
}

/** An attacher that came before the start. */
export interface PendingAttach {
  connect(shim: Shim): Promise<void>;
  fail(error: Error): void;
}

export function newEntry(record: ContainerRecord): Entry {
  return {
    id: record.id,
    record,
    endpoints: [],
    execIds: [],
    run: undefined,
    cancelRestart: undefined,
    keep: false,
    waiting: new Set(),
    exits: signal(),
    removed: signal(),
    view: undefined,
  };
}

/** The container as the world sees it; the same object until something changes. */
export function viewOf(entry: Entry, logPath: string): Container {
  const { record } = entry;
  entry.view ??= {
    id: record.id,
    name: record.name,
    config: record.config,
    createdAt: record.createdAt,
    state: publicState(record.state),
    restartCount: record.restartCount,
    endpoints: entry.endpoints,
    mounts: record.mounts,
    logPath: record.config.log.driver === "none" ? "" : logPath,
    execIds: entry.execIds,
    ...(record.health ? { health: record.health } : {}),
  };
  return entry.view;
}

/** The shim of a container that has a process. Throws `conflict` in Docker's words when it has none. */
export function shimOf({ id, run }: Entry): Shim {
  if (run?.shim) return run.shim;
  throw notRunning(id);
}

export function notRunning(id: string): GantryError {
  return new GantryError("conflict", `container ${id} is not running`, { id });
}
