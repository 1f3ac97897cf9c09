import type { Deps } from "../deps.ts";
import { route, type Route } from "../http/call.ts";
import { diskUsageHandler } from "./disk-usage.ts";
import { eventsHandler } from "./events.ts";
import { infoHandler } from "./info.ts";
import { pingHandler } from "./ping.ts";
import { versionHandler } from "./version.ts";

export function systemRoutes(deps: Deps): Route[] {
  return [
    route("GET", "/_ping", pingHandler),
    route("HEAD", "/_ping", pingHandler),
    route("GET", "/version", versionHandler(deps)),
    route("GET", "/info", infoHandler(deps)),
    route("GET", "/events", eventsHandler(deps)),
    route("GET", "/system/df", diskUsageHandler(deps)),
  ];
}
