import { matchesPruneLabels, parseFilters, type Filters } from "#formats/docker-filters.ts";
import { parseTimestamp } from "#formats/docker-time.ts";
import type { Deps } from "../deps.ts";
import type { Handler } from "../http/call.ts";
import { json } from "../http/reply.ts";
import { containerSizes } from "./sizes.ts";

/** POST /containers/prune: removes what does not run. */
export function pruneContainersHandler(deps: Deps): Handler {
  return async ({ query, response }) => {
    const filters = parseFilters(query.text("filters"), ["until", "label", "label!"]);
    const until = pruneUntil(filters, deps.clock.now());
    const deleted: string[] = [];
    let reclaimed = 0;
    for (const container of deps.engine.list()) {
      const { status } = container.state;
      if (status !== "created" && status !== "exited" && status !== "dead") continue;
      // A pod's containers belong to the kubelet, which still reads their exits and logs.
      if (container.config.origin?.["docker"] === undefined) continue;
      if (container.createdAt >= until || !matchesPruneLabels(filters, container.config.labels)) continue;
      const { rw } = await containerSizes(deps, container);
      await deps.engine.remove(container.id);
      deleted.push(container.id);
      reclaimed += rw;
    }
    deps.journal.record("container", "prune", "", { reclaimed: String(reclaimed) });
    json(response, 200, { ContainersDeleted: deleted.length > 0 ? deleted : null, SpaceReclaimed: reclaimed });
  };
}

/** The moment that prune's `until` filter names; without one everything is old enough. */
export function pruneUntil(filters: Filters, nowMs: number): number {
  const [value] = filters.get("until") ?? [];
  return value === undefined ? Number.POSITIVE_INFINITY : (parseTimestamp(value, nowMs) ?? Number.POSITIVE_INFINITY);
}
