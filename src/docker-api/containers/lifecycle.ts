import { errorText, GantryError, isGantryError } from "#base/errors.ts";
import { parseSignal } from "#formats/docker-signals.ts";
import type { Deps } from "../deps.ts";
import { param, type Call, type Handler } from "../http/call.ts";
import { empty } from "../http/reply.ts";

/** POST /containers/{name}/start. */
export function startHandler(deps: Deps): Handler {
  return async (call) => {
    const length = Number(call.request.headers["content-length"] ?? 0);
    if (length > 7 || call.request.headers["transfer-encoding"] !== undefined) {
      throw new GantryError(
        "invalid",
        "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24",
      );
    }
    if (call.query.text("checkpoint") !== "")
      throw new GantryError("unsupported", "checkpoint is not supported", { field: "checkpoint" });
    const container = deps.engine.get(param(call));
    await deps.engine.start(container.id);
    empty(call.response);
  };
}

/** POST /containers/{name}/stop and /restart. */
export function stopHandler(deps: Deps, action: "stop" | "restart"): Handler {
  return async (call) => {
    const options = stopOptions(call);
    await deps.engine[action](deps.engine.get(param(call)).id, options);
    empty(call.response);
  };
}

function stopOptions({ query, version }: Call): { signal?: number; timeoutSeconds?: number } {
  const signal = version >= 42 ? query.text("signal") : "";
  const timeoutSeconds = query.integer("t");
  return {
    ...(signal !== "" && { signal: parseSignal(signal) }),
    ...(timeoutSeconds !== undefined && { timeoutSeconds }),
  };
}

/** POST /containers/{name}/kill. */
export function killHandler(deps: Deps): Handler {
  return async (call) => {
    const reference = param(call);
    const { id } = deps.engine.get(reference);
    try {
      await deps.engine.kill(id, parseSignal(call.query.text("signal") || "KILL"));
    } catch (error) {
      if (!isGantryError(error)) throw error;
      throw new GantryError(
        error.code,
        `cannot kill container: ${reference}: ${errorText(error)}`,
        error.details,
        error,
      );
    }
    empty(call.response);
  };
}

/** POST /containers/{name}/pause and /unpause. */
export function pauseHandler(deps: Deps, action: "pause" | "unpause"): Handler {
  return async (call) => {
    await deps.engine[action](deps.engine.get(param(call)).id);
    empty(call.response);
  };
}

/** POST /containers/{name}/rename. */
export function renameHandler(deps: Deps): Handler {
  return async (call) => {
    const name = call.query.text("name").replace(/^\//, "");
    if (name === "") throw new GantryError("invalid", "Neither old nor new names may be empty");
    const { id } = deps.engine.get(param(call));
    if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)) {
      const rule = `Invalid container name (/${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`;
      throw new GantryError("invalid", `Error when allocating new name: ${rule}`, { name });
    }
    await deps.engine.rename(id, name);
    empty(call.response);
  };
}

/** DELETE /containers/{name}. */
export function removeHandler(deps: Deps): Handler {
  return async (call) => {
    const { query } = call;
    const reference = param(call);
    if (query.flag("link")) throw linkRemoval(reference);
    const { id, name } = deps.engine.get(reference);
    try {
      await deps.engine.remove(id, { force: query.flag("force"), volumes: query.flag("v") });
    } catch (error) {
      // The client hears of the container by the name that it used.
      if (!isGantryError(error, "conflict")) throw error;
      throw new GantryError(
        error.code,
        error.message.replace(JSON.stringify(`/${name}`), JSON.stringify(reference)),
        error.details,
        error,
      );
    }
    empty(call.response);
  };
}

function linkRemoval(reference: string): GantryError {
  return reference.replace(/^\//, "").includes("/")
    ? new GantryError("unsupported", "removing links is not supported", { field: "link" })
    : new GantryError("internal", "Conflict, cannot remove the default link name of the container");
}

/** POST /containers/{name}/resize. */
export function resizeHandler(deps: Deps): Handler {
  return async (call) => {
    const { rows, columns } = terminalSize(call);
    await deps.engine.resize(deps.engine.get(param(call)).id, rows, columns);
    empty(call.response, 200);
  };
}

/** The `h` and `w` parameters. Throws `invalid` without both. */
export function terminalSize({ query }: Call): { rows: number; columns: number } {
  const size = (parameter: string, what: string): number => {
    const text = query.text(parameter);
    if (/^\d{1,5}$/.test(text)) return Number(text);
    throw new GantryError("invalid", `invalid resize ${what} ${JSON.stringify(text)}: invalid syntax`, { parameter });
  };
  return { rows: size("h", "height"), columns: size("w", "width") };
}
