import { closeSync, constants, openSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { GantryError } from "#base/errors.ts";
import { startFailureIn, type StartFailure } from "#linux/launcher.ts";
import { failureReason } from "../lifecycle/start-error.ts";
import { openContainer, startSocketOf, type Container } from "./container.ts";
import type { RuntimeContext } from "./context.ts";
import { deleteContainer } from "./delete.ts";
import { runHooks } from "./hooks.ts";

/** `start`: has a created container's program executed. Throws in runc's words when it is not one, or cannot be executed. */
export async function startContainer(context: RuntimeContext, id: string): Promise<void> {
  const container = openContainer(context.root, id);
  const status = container.status();
  if (status === "stopped") throw new GantryError("conflict", "cannot start a container that has stopped", { id });
  if (status === "creating" || status === "paused")
    throw new GantryError("conflict", `cannot start a container in the ${status} state`, { id });
  if (status === "running") throw new GantryError("conflict", "cannot start an already running container", { id });
  const failure = await release(container);
  rmSync(startSocketOf(container.directory), { force: true });
  if (failure) {
    const command = container.state.spec.process?.args[0] ?? "";
    const { text, errno } = failure;
    const step = container.state.steps[failure.step] ?? "";
    throw new GantryError(
      "exec-failed",
      `unable to start container process: ${failureReason({ step, errno, text }, command)}`,
      {
        errno,
      },
    );
  }
  try {
    await runHooks(container, "poststart", "running");
  } catch (error) {
    await deleteContainer(context, id, true);
    throw error;
  }
}

/** Connects to the waiting process, by its directory's descriptor since a socket's path is short, and hears it out. */
function release({ directory }: Container): Promise<StartFailure | undefined> {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect({ path: `/proc/self/fd/${fd}/start.sock` });
    socket.on("connect", () => closeSync(fd));
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("error", reject);
    socket.on("close", () => resolve(startFailureIn(Buffer.concat(chunks))));
  });
}
