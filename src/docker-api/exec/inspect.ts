import type { Exec } from "#containers/engine.ts";
import type { Deps } from "../deps.ts";
import { param, type Handler } from "../http/call.ts";
import { json } from "../http/reply.ts";

/** GET /exec/{id}/json. */
export function inspectExecHandler(deps: Deps): Handler {
  return async (call) => json(call.response, 200, execDocument(deps.engine.exec(param(call, "id"))));
}

/** Docker's document of an exec; the exit code is null while it runs or has not begun. */
export function execDocument({ id, containerId, config, state }: Exec): object {
  const [entrypoint = "", ...rest] = config.args;
  return {
    ID: id,
    Running: state.status === "running",
    ExitCode: state.status === "exited" ? state.code : null,
    ProcessConfig: {
      tty: config.terminal,
      entrypoint,
      arguments: rest,
      privileged: config.privileged,
      ...(config.user !== undefined && { user: config.user }),
    },
    OpenStdin: config.stdin,
    OpenStderr: config.stderr,
    OpenStdout: config.stdout,
    CanRemove: false,
    ContainerID: containerId,
    DetachKeys: config.detachKeys ?? "",
    Pid: "pid" in state ? state.pid : 0,
  };
}
