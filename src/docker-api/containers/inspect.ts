import type { Deps } from "../deps.ts";
import { param, type Handler } from "../http/call.ts";
import { json } from "../http/reply.ts";
import { inspectDocument } from "./inspect-document.ts";
import { containerSizes } from "./sizes.ts";

/** GET /containers/{name}/json. */
export function inspectHandler(deps: Deps): Handler {
  return async (call) => {
    const container = deps.engine.get(param(call));
    const sizes = call.query.flag("size") ? await containerSizes(deps, container) : undefined;
    const snapshot = deps.images.snapshot(container.id);
    json(
      call.response,
      200,
      inspectDocument({ container, snapshot, findNetwork: deps.networks.find.bind(deps.networks), sizes }),
    );
  };
}
