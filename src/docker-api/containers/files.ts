import type { Deps } from "../deps.ts";
import { param, type Handler } from "../http/call.ts";
import { json, stream } from "../http/reply.ts";
import { actorAttributes } from "./attach.ts";

/** Docker's numbers for a change. */
const CHANGE_KINDS = { modified: 0, added: 1, deleted: 2 } as const;

/** GET /containers/{name}/changes: `docker diff`. */
export function changesHandler(deps: Deps): Handler {
  return async (call) => {
    const { id } = deps.engine.get(param(call));
    const changes = deps.images.snapshot(id) ? await deps.images.changes(id) : [];
    json(
      call.response,
      200,
      changes.length === 0 ? null : changes.map(({ path, kind }) => ({ Path: path, Kind: CHANGE_KINDS[kind] })),
    );
  };
}

/** GET /containers/{name}/export: the root file system as a tar, without volumes. */
export function exportHandler(deps: Deps): Handler {
  return async (call) => {
    const container = deps.engine.get(param(call));
    const archive = deps.images.exportRoot(container.id);
    deps.journal.record("container", "export", container.id, actorAttributes(container));
    await stream(call, archive, "application/octet-stream");
  };
}
