import { GantryError } from "#base/errors.ts";
import type { ExecConfig } from "#containers/engine.ts";
import { flag, integer, list, object, text, textOrList } from "#formats/docker-json.ts";
import type { Deps } from "../deps.ts";
import { jsonBody, param, type Handler } from "../http/call.ts";
import { parseDetachKeys } from "../http/detach-keys.ts";
import { json } from "../http/reply.ts";

const execRequest = object({
  User: text,
  Privileged: flag,
  Tty: flag,
  ConsoleSize: list(integer),
  AttachStdin: flag,
  AttachStdout: flag,
  AttachStderr: flag,
  DetachKeys: text,
  Env: list(text),
  WorkingDir: text,
  Cmd: textOrList,
});

/** POST /containers/{name}/exec. */
export function createExecHandler(deps: Deps): Handler {
  return async (call) => {
    const reference = param(call);
    const config = execConfig(await jsonBody(call, execRequest));
    const container = deps.engine.get(reference);
    switch (container.state.status) {
      case "running":
        break;
      case "paused":
        throw new GantryError("conflict", `Container ${reference} is paused, unpause the container before exec`);
      case "restarting":
        throw new GantryError("conflict", `Container ${reference} is restarting, wait until the container is running`);
      default:
        throw new GantryError("conflict", `container ${container.id} is not running`);
    }
    const exec = await deps.engine.createExec(container.id, config);
    json(call.response, 201, { Id: exec.id });
  };
}

function execConfig(request: ReturnType<typeof execRequest>): ExecConfig {
  const args = request.Cmd ?? [];
  if (args.length === 0) throw new GantryError("invalid", "No exec command specified");
  if (request.DetachKeys) parseDetachKeys(request.DetachKeys);
  for (const entry of request.Env ?? [])
    if (entry === "" || entry.startsWith("="))
      throw new GantryError("invalid", `invalid environment variable: ${entry}`);
  return {
    args,
    env: request.Env ?? [],
    ...(request.WorkingDir && { workingDir: request.WorkingDir }),
    ...(request.User && { user: request.User }),
    privileged: request.Privileged ?? false,
    terminal: request.Tty ?? false,
    stdin: request.AttachStdin ?? false,
    stdout: request.AttachStdout ?? false,
    stderr: request.AttachStderr ?? false,
    ...(request.DetachKeys && { detachKeys: request.DetachKeys }),
  };
}
