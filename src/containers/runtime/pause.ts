import { GantryError } from "#base/errors.ts";
import { openContainer } from "./container.ts";
import type { RuntimeContext } from "./context.ts";

/** `pause`: stops every process of a container. Throws `conflict` unless it runs. */
export async function pauseCommand(context: RuntimeContext, id: string): Promise<void> {
  const container = openContainer(context.root, id);
  const status = container.status();
  if (status !== "running" && status !== "created")
    throw new GantryError("conflict", `container not running or created: ${status}`, { id, status });
  await container.cgroup.freeze();
}

/** `resume`: lets them go on. Throws `conflict` unless it is paused. */
export function resumeCommand(context: RuntimeContext, id: string): void {
  const container = openContainer(context.root, id);
  if (container.status() !== "paused") throw new GantryError("conflict", "container not paused", { id });
  container.cgroup.thaw();
}
