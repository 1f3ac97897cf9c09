import { GantryError } from "#base/errors.ts";
import type { Exec, ExecConfig } from "../engine.ts";
import type { ExecHooks } from "../lifecycle/context.ts";
import type { Entry } from "../lifecycle/entry.ts";

/** An exec in memory. Those that run are taken up again by the next engine. */
export interface ExecEntry {
  readonly id: string;
  readonly entry: Entry;
  readonly config: ExecConfig;
  state: Exec["state"];
  readonly ended: PromiseWithResolvers<number>;
}

export interface ExecStore extends ExecHooks {
  add(id: string, entry: Entry, config: ExecConfig): ExecEntry;
  /** One that an earlier engine started. */
  adopt(id: string, entry: Entry, config: ExecConfig, pid: number): void;
  /** Throws `not-found` in Docker's words. */
  get(id: string): ExecEntry;
  started(exec: ExecEntry, pid: number): void;
  /** It could not be started: ends with this code. */
  failed(exec: ExecEntry, code: number): void;
}

/** Execs that wait to be started or have ended are kept for inspection up to this many; the oldest make room. */
const KEPT_EXECS = 4096;

/** `onEnd` is told of each exec that ends by itself. */
export function execStore(onEnd: (exec: ExecEntry, code: number) => void): ExecStore {
  const execs = new Map<string, ExecEntry>();

  function changed(exec: ExecEntry, state: Exec["state"]): void {
    exec.state = state;
    const live = exec.entry.execIds.filter((id) => id !== exec.id);
    exec.entry.execIds = state.status === "running" ? [...live, exec.id] : live;
    exec.entry.view = undefined;
  }

  function end(exec: ExecEntry, pid: number, code: number): void {
    changed(exec, { status: "exited", pid, code });
    exec.ended.resolve(code);
    // The newest of those that have ended are the last to go.
    execs.delete(exec.id);
    execs.set(exec.id, exec);
  }

  function makeRoom(): void {
    let kept = 0;
    for (const { state } of execs.values()) if (state.status !== "running") kept++;
    for (const [id, { state }] of execs) {
      if (kept < KEPT_EXECS) return;
      if (state.status === "running") continue;
      execs.delete(id);
      kept--;
    }
  }

  return {
    add(id, entry, config) {
      makeRoom();
      const exec: ExecEntry = { id, entry, config, state: { status: "created" }, ended: Promise.withResolvers() };
      execs.set(id, exec);
      return exec;
    },
    adopt(id, entry, config, pid) {
      if (execs.has(id)) return;
      const exec: ExecEntry = { id, entry, config, state: { status: "created" }, ended: Promise.withResolvers() };
      execs.set(id, exec);
      changed(exec, { status: "running", pid });
    },
    get(id) {
      const exec = execs.get(id);
      if (exec) return exec;
      throw new GantryError("not-found", `No such exec instance: ${id}`, { exec: id });
    },
    started(exec, pid) {
      // Its end may have been told already.
      if (exec.state.status !== "exited") changed(exec, { status: "running", pid });
    },
    failed: (exec, code) => end(exec, 0, code),
    ended(_entry, id, code) {
      const exec = execs.get(id);
      if (!exec || exec.state.status === "exited") return;
      end(exec, exec.state.status === "running" ? exec.state.pid : 0, code);
      onEnd(exec, code);
    },
    forget(entry) {
      for (const [id, exec] of execs) if (exec.entry === entry) execs.delete(id);
    },
  };
}

export function execView({ id, entry, config, state }: ExecEntry): Exec {
  return { id, containerId: entry.id, config, state };
}
