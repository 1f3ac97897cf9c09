import { GantryError } from "#base/errors.ts";
import type { Deps } from "../deps.ts";
import { param, type Handler } from "../http/call.ts";
import { json } from "../http/reply.ts";
import { actorAttributes } from "./attach.ts";
import { parsePsArgs } from "./top/ps-args.ts";
import { readProcesses } from "./top/processes.ts";

/** GET /containers/{name}/top: what ps would print, read from /proc. */
export function topHandler(deps: Deps): Handler {
  return async (call) => {
    const columns = parsePsArgs(call.query.text("ps_args"));
    const container = deps.engine.get(param(call));
    if (container.state.status === "restarting") {
      throw new GantryError("conflict", `Container ${container.id} is restarting, wait until the container is running`);
    }
    if (container.state.status !== "running" && container.state.status !== "paused") {
      throw new GantryError("conflict", `container ${container.id} is not running`);
    }
    const processes = await readProcesses(await deps.engine.processes(container.id));
    deps.journal.record("container", "top", container.id, actorAttributes(container));
    json(call.response, 200, {
      Titles: columns.map(({ title }) => title),
      Processes: processes.map((each) => columns.map(({ value }) => value(each))),
    });
  };
}
