import type { Duplex } from "node:stream";
import { errorText, isGantryError } from "#base/errors.ts";
import type { Exec } from "#containers/engine.ts";
import { flag, integer, list, object } from "#formats/docker-json.ts";
import type { Deps } from "../deps.ts";
import { actorAttributes } from "../containers/attach.ts";
import { terminalSize } from "../containers/lifecycle.ts";
import { jsonBody, param, type Call, type Handler } from "../http/call.ts";
import { parseDetachKeys } from "../http/detach-keys.ts";
import { bridge, hijack, streamType } from "../http/hijack.ts";
import { empty } from "../http/reply.ts";

const startRequest = object({ Detach: flag, Tty: flag, ConsoleSize: list(integer) });

/** POST /exec/{id}/start: detached, or with its streams on the hijacked connection. */
export function startExecHandler(deps: Deps): Handler {
  return async (call) => {
    const request = await jsonBody(call, startRequest, { required: false });
    const exec = deps.engine.exec(param(call, "id"));
    const [rows = 0, columns = 0] = request.ConsoleSize ?? [];
    const terminal = exec.config.terminal && rows > 0 && columns > 0 ? { terminal: { rows, columns } } : {};
    if (request.Detach) {
      await deps.engine.startExec(exec.id, { detach: true, ...terminal });
      return empty(call.response, 200);
    }
    await startAttached(deps, call, exec, terminal);
  };
}

async function startAttached(
  deps: Deps,
  call: Call,
  exec: Exec,
  terminal: { terminal?: { rows: number; columns: number } },
): Promise<void> {
  let process: Duplex | undefined;
  try {
    process = await deps.engine.startExec(exec.id, { detach: false, ...terminal });
  } catch (error) {
    // A command that cannot be started is told on the stream; the exit code (126, 127) says the rest.
    if (!isGantryError(error, "exec-failed")) throw error;
    const { output } = hijack(call, streamType(call, exec.config.terminal));
    output.end(exec.config.terminal ? `${errorText(error)}\r\n` : stdoutFrame(`${errorText(error)}\r\n`));
    return;
  }
  const client = hijack(call, streamType(call, exec.config.terminal));
  if (!process) {
    client.output.end();
    return;
  }
  const detachKeys = exec.config.terminal ? parseDetachKeys(exec.config.detachKeys ?? "") : undefined;
  const outcome = await bridge(client, process, {
    stdin: exec.config.stdin,
    detachKeys,
    beforeEnd: () => deps.engine.waitExec(exec.id),
  });
  if (outcome === "detached") recordDetach(deps, exec);
}

function recordDetach({ engine, journal }: Deps, { id, containerId }: Exec): void {
  journal.record("container", "exec_detach", containerId, {
    ...actorAttributes(engine.get(containerId)),
    execID: id,
  });
}

/** One frame of Docker's multiplexed stream for stdout: type, three zeros, length, bytes. */
function stdoutFrame(text: string): Buffer {
  const bytes = Buffer.from(text);
  const header = Buffer.alloc(8);
  header.writeUInt8(1, 0);
  header.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([header, bytes]);
}

/** POST /exec/{id}/resize. */
export function resizeExecHandler(deps: Deps): Handler {
  return async (call) => {
    const { rows, columns } = terminalSize(call);
    await deps.engine.resizeExec(param(call, "id"), rows, columns);
    empty(call.response, 200);
  };
}
