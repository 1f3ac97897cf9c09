import type { Deps } from "../deps.ts";
import { route, type Route } from "../http/call.ts";
import { getArchiveHandler, putArchiveHandler, statArchiveHandler } from "./archive.ts";
import { attachHandler, attachWebSocketHandler } from "./attach.ts";
import { commitHandler } from "./commit.ts";
import { createHandler } from "./create/create.ts";
import { changesHandler, exportHandler } from "./files.ts";
import { inspectHandler } from "./inspect.ts";
import {
  killHandler,
  pauseHandler,
  removeHandler,
  renameHandler,
  resizeHandler,
  startHandler,
  stopHandler,
} from "./lifecycle.ts";
import { listHandler } from "./list.ts";
import { logsHandler } from "./logs.ts";
import { pruneContainersHandler } from "./prune.ts";
import { statsHandler } from "./stats.ts";
import { topHandler } from "./top.ts";
import { updateHandler } from "./update.ts";
import { waitHandler } from "./wait.ts";

export function containerRoutes(deps: Deps): Route[] {
  return [
    route("GET", "/containers/json", listHandler(deps)),
    route("POST", "/containers/create", createHandler(deps)),
    route("POST", "/containers/prune", pruneContainersHandler(deps)),
    route("GET", "/containers/{name}/json", inspectHandler(deps)),
    route("POST", "/containers/{name}/start", startHandler(deps)),
    route("POST", "/containers/{name}/stop", stopHandler(deps, "stop")),
    route("POST", "/containers/{name}/restart", stopHandler(deps, "restart")),
    route("POST", "/containers/{name}/kill", killHandler(deps)),
    route("POST", "/containers/{name}/pause", pauseHandler(deps, "pause")),
    route("POST", "/containers/{name}/unpause", pauseHandler(deps, "unpause")),
    route("POST", "/containers/{name}/rename", renameHandler(deps)),
    route("POST", "/containers/{name}/update", updateHandler(deps)),
    route("POST", "/containers/{name}/wait", waitHandler(deps)),
    route("POST", "/containers/{name}/resize", resizeHandler(deps)),
    route("POST", "/containers/{name}/attach", attachHandler(deps)),
    route("GET", "/containers/{name}/attach/ws", attachWebSocketHandler(deps)),
    route("GET", "/containers/{name}/logs", logsHandler(deps)),
    route("GET", "/containers/{name}/stats", statsHandler(deps)),
    route("GET", "/containers/{name}/top", topHandler(deps)),
    route("GET", "/containers/{name}/changes", changesHandler(deps)),
    route("GET", "/containers/{name}/export", exportHandler(deps)),
    route("HEAD", "/containers/{name}/archive", statArchiveHandler(deps)),
    route("GET", "/containers/{name}/archive", getArchiveHandler(deps)),
    route("PUT", "/containers/{name}/archive", putArchiveHandler(deps)),
    route("POST", "/commit", commitHandler(deps)),
    route("DELETE", "/containers/{name}", removeHandler(deps)),
  ];
}
