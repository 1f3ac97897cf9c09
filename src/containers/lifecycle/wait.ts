import { GantryError } from "#base/errors.ts";
import type { ContainerExit } from "../engine.ts";
import type { EngineContext } from "./context.ts";
import { isUp, lastExit } from "./state.ts";

export type WaitCondition = "not-running" | "next-exit" | "removed";

/** Resolves with the exit when Docker's condition holds. Throws `cancelled` when `signal` aborts. */
export function waitContainer(
  { registry }: Pick<EngineContext, "registry">,
  id: string,
  condition: WaitCondition,
  signal?: AbortSignal,
): Promise<ContainerExit> {
  const entry = registry.entry(id);
  const { state } = entry.record;
  const last = lastExit(state) ?? { code: 0, oomKilled: false, error: "", at: 0 };
  if (condition === "not-running" && !isUp(state) && state.status !== "starting") return Promise.resolve(last);
  const source = condition === "removed" ? entry.removed : entry.exits;
  return new Promise((resolve, reject) => {
    const stop = source.on((exit) => {
      stop();
      signal?.removeEventListener("abort", abort);
      resolve(exit);
    });
    const abort = (): void => {
      stop();
      reject(new GantryError("cancelled", `waiting for container ${id} was cancelled`, { id }));
    };
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
  });
}
