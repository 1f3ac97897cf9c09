import { GantryError } from "#base/errors.ts";
import type { Volume } from "#containers/engine.ts";
import {
  booleanFilter,
  matchesExactly,
  matchesLabels,
  matchesPattern,
  matchesPruneLabels,
  parseFilters,
} from "#formats/docker-filters.ts";
import { map, object, anything, text } from "#formats/docker-json.ts";
import { checkVolumeName } from "#formats/docker-mounts.ts";
import type { Deps } from "../deps.ts";
import { jsonBody, param, type Handler } from "../http/call.ts";
import { empty, json } from "../http/reply.ts";
import { volumeDocument } from "./documents.ts";

const volumeRequest = object({
  Name: text,
  Driver: text,
  DriverOpts: map(text),
  Labels: map(text),
  ClusterVolumeSpec: anything,
});

/** GET /volumes. */
export function listVolumesHandler(deps: Deps): Handler {
  return async ({ query, response }) => {
    const filters = parseFilters(query.text("filters"), ["dangling", "driver", "label", "name"]);
    const dangling = filters.has("dangling") ? booleanFilter(filters, "dangling", false) : undefined;
    const { volumes } = deps.engine;
    const warnings = await volumes.lookUp();
    const chosen = volumes
      .list()
      .filter(
        ({ name, driver, labels }) =>
          matchesPattern(filters, "name", name) &&
          matchesExactly(filters, "driver", driver) &&
          matchesLabels(filters, "label", labels),
      )
      .filter(({ name }) => dangling === undefined || (volumes.users(name).length === 0) === dangling)
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
    json(response, 200, {
      Volumes: chosen.map((each) => volumeDocument(each)),
      Warnings: warnings.length > 0 ? warnings : null,
    });
  };
}

/** GET /volumes/{name}. */
export function inspectVolumeHandler(deps: Deps): Handler {
  return async (call) => {
    await deps.engine.volumes.lookUp(param(call));
    const volume = deps.engine.volumes.get(param(call));
    json(call.response, 200, volumeDocument(volume, await deps.engine.volumes.status(volume.name)));
  };
}

/** POST /volumes/create; a volume of that name that is there already is given back. */
export function createVolumeHandler(deps: Deps): Handler {
  return async (call) => {
    const request = await jsonBody(call, volumeRequest);
    if (request.ClusterVolumeSpec !== undefined)
      throw new GantryError("unsupported", "ClusterVolumeSpec is not supported", { field: "ClusterVolumeSpec" });
    const name = request.Name ? checkVolumeName(request.Name) : undefined;
    const volume = await deps.engine.volumes.create({
      ...(name !== undefined && { name }),
      driver: request.Driver || "local",
      labels: { ...request.Labels },
      options: { ...request.DriverOpts },
    });
    json(call.response, 201, volumeDocument(volume));
  };
}

/** DELETE /volumes/{name}. */
export function removeVolumeHandler(deps: Deps): Handler {
  return async (call) => {
    await deps.engine.volumes.remove(param(call), call.query.flag("force"));
    empty(call.response);
  };
}

/** POST /volumes/prune: anonymous volumes that none uses; every unused one with `all=true`, and before API 1.42. */
export function pruneVolumesHandler(deps: Deps): Handler {
  return async ({ query, response, version }) => {
    const filters = parseFilters(query.text("filters"), ["label", "label!", "all"]);
    const all = version < 42 || booleanFilter(filters, "all", false);
    const { volumes } = deps.engine;
    const unused = volumes
      .list()
      .filter(
        (volume) =>
          prunable(volume, all) &&
          volumes.users(volume.name).length === 0 &&
          matchesPruneLabels(filters, volume.labels),
      );
    let reclaimed = 0;
    for (const { name } of unused) {
      reclaimed += Math.max(0, await volumes.sizeBytes(name));
      await volumes.remove(name, false);
    }
    deps.journal.record("volume", "prune", "", { reclaimed: String(reclaimed) });
    json(response, 200, { VolumesDeleted: unused.map(({ name }) => name), SpaceReclaimed: reclaimed });
  };
}

/** What options mount somewhere else is not pruned (moby, volume/service). */
function prunable({ driver, anonymous, options }: Volume, all: boolean): boolean {
  return driver === "local" && (all || anonymous) && Object.keys(options).length === 0;
}
