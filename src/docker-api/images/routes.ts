import type { Deps } from "../deps.ts";
import { route, type Route } from "../http/call.ts";
import { listImagesHandler, pruneImagesHandler } from "./list.ts";
import { historyHandler, inspectImageHandler, removeImageHandler, searchHandler, tagHandler } from "./manage.ts";
import { authHandler, distributionHandler } from "./registry.ts";
import { createImageHandler, loadHandler, pushHandler, saveHandler } from "./transfer.ts";

export function imageRoutes(deps: Deps): Route[] {
  return [
    route("GET", "/images/json", listImagesHandler(deps)),
    route("GET", "/images/search", searchHandler()),
    route("GET", "/images/get", saveHandler(deps)),
    route("POST", "/images/load", loadHandler(deps)),
    route("POST", "/images/create", createImageHandler(deps)),
    route("POST", "/images/prune", pruneImagesHandler(deps)),
    route("GET", "/images/{name...}/json", inspectImageHandler(deps)),
    route("GET", "/images/{name...}/history", historyHandler(deps)),
    route("GET", "/images/{name...}/get", saveHandler(deps)),
    route("POST", "/images/{name...}/tag", tagHandler(deps)),
    route("POST", "/images/{name...}/push", pushHandler(deps)),
    route("POST", "/auth", authHandler(deps)),
    route("GET", "/distribution/{name...}/json", distributionHandler(deps)),
    route("DELETE", "/images/{name...}", removeImageHandler(deps)),
  ];
}
