import type { Container as EngineContainer } from "#containers/engine.ts";
import { LABEL, podUidOf, restartCountOf, SANDBOX_NAME } from "./labels.ts";

/** What runs, or has run, of one pod: read from the engine, never remembered. */
export interface ObservedPod {
  readonly sandbox: EngineContainer | undefined;
  /** Newest attempt of each container, by name. */
  readonly current: ReadonlyMap<string, EngineContainer>;
  /** The attempt before it: for `lastState` and `kubectl logs --previous`. */
  readonly previous: ReadonlyMap<string, EngineContainer>;
  /** Older attempts and sandboxes: to be removed. */
  readonly superseded: readonly EngineContainer[];
}

/** Pure: sorts the engine's containers of one pod into attempts. */
export function observePod(uid: string, containers: readonly EngineContainer[]): ObservedPod {
  const current = new Map<string, EngineContainer>();
  const previous = new Map<string, EngineContainer>();
  const superseded: EngineContainer[] = [];
  const newestFirst = containers
    .filter((container) => podUidOf(container) === uid)
    .sort((a, b) => restartCountOf(b) - restartCountOf(a) || b.createdAt - a.createdAt);
  let sandbox: EngineContainer | undefined;
  for (const container of newestFirst) {
    const name = container.config.labels[LABEL.containerName] ?? "";
    if (name === SANDBOX_NAME) {
      if (sandbox) superseded.push(container);
      else sandbox = container;
    } else if (!current.has(name)) current.set(name, container);
    else if (!previous.has(name)) previous.set(name, container);
    else superseded.push(container);
  }
  return { sandbox, current, previous, superseded };
}

/** A sandbox whose pause process runs. */
export function isRunning(container: EngineContainer | undefined): boolean {
  return container?.state.status === "running" || container?.state.status === "paused";
}

/** Its exit, when it has one and will not run again. */
export function exitOf(
  container: EngineContainer | undefined,
): { code: number; oomKilled: boolean; at: number; error: string; startedAt: number } | undefined {
  if (container?.state.status !== "exited" && container?.state.status !== "dead") return undefined;
  return { ...container.state.exit, startedAt: container.state.startedAt };
}
