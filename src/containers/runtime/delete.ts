import { errorText, GantryError, isGantryError } from "#base/errors.ts";
import { containerDirectory, forgetContainer, openContainer, type Container } from "./container.ts";
import type { RuntimeContext } from "./context.ts";
import { runHooks } from "./hooks.ts";

/**
 * `delete`: removes a container that has stopped or was never started; with `force` whatever it does, and one that is not there is no
 * error.
 */
export async function deleteContainer(context: RuntimeContext, id: string, force: boolean): Promise<void> {
  const container = find(context, id, force);
  if (!container) return;
  const status = container.status();
  if (!force && status !== "stopped" && status !== "created")
    throw new GantryError("conflict", `cannot delete container ${id} that is not stopped: ${status}`, { id, status });
  // What is left in the cgroup would keep it: processes of a pid namespace that others share, or those that wait to be started.
  await container.cgroup.kill();
  await container.cgroup.remove();
  try {
    await runHooks(container, "poststop", "stopped");
  } catch (error) {
    context.log("warning", errorText(error));
  }
  forgetContainer(container.directory);
}

function find({ root }: RuntimeContext, id: string, force: boolean): Container | undefined {
  try {
    return openContainer(root, id);
  } catch (error) {
    if (!force || !isGantryError(error, "not-found")) throw error;
    // What a creation that was cut short has left.
    forgetContainer(containerDirectory(root, id));
    return undefined;
  }
}
