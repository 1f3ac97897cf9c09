import type { Deps } from "../deps.ts";
import { route, type Route } from "../http/call.ts";
import { createExecHandler } from "./create.ts";
import { inspectExecHandler } from "./inspect.ts";
import { resizeExecHandler, startExecHandler } from "./start.ts";

export function execRoutes(deps: Deps): Route[] {
  return [
    route("POST", "/containers/{name}/exec", createExecHandler(deps)),
    route("POST", "/exec/{id}/start", startExecHandler(deps)),
    route("POST", "/exec/{id}/resize", resizeExecHandler(deps)),
    route("GET", "/exec/{id}/json", inspectExecHandler(deps)),
  ];
}
