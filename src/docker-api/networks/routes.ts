import type { Deps } from "../deps.ts";
import { route, type Route } from "../http/call.ts";
import { createNetworkHandler } from "./create.ts";
import { connectHandler, disconnectHandler, pruneNetworksHandler, removeNetworkHandler } from "./manage.ts";
import { inspectNetworkHandler, listNetworksHandler } from "./read.ts";

export function networkRoutes(deps: Deps): Route[] {
  return [
    route("GET", "/networks", listNetworksHandler(deps)),
    route("POST", "/networks/create", createNetworkHandler(deps)),
    route("POST", "/networks/prune", pruneNetworksHandler(deps)),
    route("GET", "/networks/{name}", inspectNetworkHandler(deps)),
    route("POST", "/networks/{name}/connect", connectHandler(deps)),
    route("POST", "/networks/{name}/disconnect", disconnectHandler(deps)),
    route("DELETE", "/networks/{name}", removeNetworkHandler(deps)),
  ];
}
