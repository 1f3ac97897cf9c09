import { GantryError } from "#base/errors.ts";
import { parseSignal } from "#formats/docker-signals.ts";
import { openContainer, runningProcess } from "./container.ts";
import type { RuntimeContext } from "./context.ts";

/** `kill`: a signal for the container's process, or with `all` for every process of it. */
export function killContainer(context: RuntimeContext, id: string, signal: string, all: boolean): void {
  const container = openContainer(context.root, id);
  const number = parseSignal(signal);
  if (!all) return send(runningProcess(container).pid, number);
  for (const pid of container.cgroup.pids()) send(pid, number);
}

/** One that has ended meanwhile needs no signal. */
function send(pid: number, signal: number): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH")
      throw new GantryError("internal", `signal ${pid}`, {}, error);
  }
}
