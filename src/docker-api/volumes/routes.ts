import type { Deps } from "../deps.ts";
import { route, type Route } from "../http/call.ts";
import {
  createVolumeHandler,
  inspectVolumeHandler,
  listVolumesHandler,
  pruneVolumesHandler,
  removeVolumeHandler,
} from "./handlers.ts";

export function volumeRoutes(deps: Deps): Route[] {
  return [
    route("GET", "/volumes", listVolumesHandler(deps)),
    route("POST", "/volumes/create", createVolumeHandler(deps)),
    route("POST", "/volumes/prune", pruneVolumesHandler(deps)),
    route("GET", "/volumes/{name}", inspectVolumeHandler(deps)),
    route("DELETE", "/volumes/{name}", removeVolumeHandler(deps)),
  ];
}
