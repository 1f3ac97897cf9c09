import { GantryError } from "#base/errors.ts";
import type { Container } from "#containers/engine.ts";
import type { Deps } from "../deps.ts";
import { param, type Call, type Handler } from "../http/call.ts";
import { parseDetachKeys } from "../http/detach-keys.ts";
import { bridge, hijack, streamType } from "../http/hijack.ts";
import { acceptWebSocket } from "../http/websocket.ts";

/** POST /containers/{name}/attach. */
export function attachHandler(deps: Deps): Handler {
  return async (call) => {
    const container = attachable(deps, param(call));
    const detachKeys = detachKeysOf(call, container);
    const options = attachOptions(call);
    const process = await deps.engine.attach(container.id, options);
    deps.journal.record("container", "attach", container.id, actorAttributes(container));
    const client = hijack(call, streamType(call, container.config.terminal));
    const outcome = await bridge(client, process, { stdin: options.stdin, detachKeys });
    if (outcome !== "ended") deps.journal.record("container", "detach", container.id, actorAttributes(container));
  };
}

/** Clients older than this get every stream. */
const CHOOSES_STREAMS = 42;

/**
 * GET /containers/{name}/attach/ws: the same over a WebSocket, a message for each chunk, with the streams' bytes as they come and no frames
 * around them (moby, api/server/router/container, wsContainersAttach).
 */
export function attachWebSocketHandler(deps: Deps): Handler {
  return async (call) => {
    const container = attachable(deps, param(call));
    const all = call.version < CHOOSES_STREAMS && { stdin: true, stdout: true, stderr: true };
    const options = { ...attachOptions(call), ...all };
    const detachKeys = detachKeysOf(call, container);
    const client = await acceptWebSocket(call);
    const process = await deps.engine.attach(container.id, options);
    deps.journal.record("container", "attach", container.id, actorAttributes(container));
    const unframe = !container.config.terminal;
    const outcome = await bridge(client, process, { stdin: options.stdin, detachKeys, unframe });
    if (outcome !== "ended") deps.journal.record("container", "detach", container.id, actorAttributes(container));
  };
}

function attachable(deps: Deps, reference: string): Container {
  const container = deps.engine.get(reference);
  if (container.state.status === "paused")
    throw new GantryError("conflict", `container ${reference} is paused, unpause the container before attach`);
  if (container.state.status === "restarting") {
    throw new GantryError("conflict", `container ${reference} is restarting, wait until the container is running`);
  }
  return container;
}

function detachKeysOf(call: Call, { config }: Container): Buffer | undefined {
  const keys = parseDetachKeys(call.query.text("detachKeys"));
  return config.terminal ? keys : undefined;
}

function attachOptions({ query }: Call): {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  logs: boolean;
  stream: boolean;
} {
  return {
    stdin: query.flag("stdin"),
    stdout: query.flag("stdout"),
    stderr: query.flag("stderr"),
    logs: query.flag("logs"),
    stream: query.flag("stream"),
  };
}

/** What Docker tells with an event of a container: its labels, image and name. */
export function actorAttributes({ config, name }: Container): Record<string, string> {
  return { ...config.labels, image: config.image, name };
}
