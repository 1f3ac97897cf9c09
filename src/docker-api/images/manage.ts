import { GantryError } from "#base/errors.ts";
import type { Deps } from "../deps.ts";
import { param, type Handler } from "../http/call.ts";
import { empty, json } from "../http/reply.ts";
import { historyDocument, imageDocument } from "./documents.ts";
import { checkPlatform, platformOf } from "./platform.ts";

/** GET /images/{name}/json. */
export function inspectImageHandler(deps: Deps): Handler {
  return async (call) =>
    json(
      call.response,
      200,
      imageDocument(
        checkPlatform(deps.images.get(param(call)), param(call), platformOf(call.query)),
        deps.images.driver,
      ),
    );
}

/** GET /images/{name}/history. */
export function historyHandler(deps: Deps): Handler {
  return async (call) => {
    checkPlatform(deps.images.get(param(call)), param(call), platformOf(call.query));
    json(call.response, 200, historyDocument(deps.images.history(param(call))));
  };
}

/** POST /images/{name}/tag. */
export function tagHandler(deps: Deps): Handler {
  return async (call) => {
    const repo = call.query.text("repo");
    const tag = call.query.text("tag");
    if (repo === "") throw new GantryError("invalid", "repository name must have at least one component");
    const target = tag === "" ? repo : `${repo}:${tag}`;
    await deps.images.tag(param(call), target);
    empty(call.response, 201);
  };
}

/** DELETE /images/{name}. */
export function removeImageHandler(deps: Deps): Handler {
  return async (call) => {
    if (call.query.has("platforms"))
      throw new GantryError("unsupported", "removing one platform of an image is not supported", {
        field: "platforms",
      });
    const removed = await deps.images.remove(param(call), {
      force: call.query.flag("force"),
      prune: !call.query.flag("noprune"),
    });
    json(call.response, 200, removed);
  };
}

/** GET /images/search: there is no hub to ask. */
export function searchHandler(): Handler {
  return async () => {
    throw new GantryError("unsupported", "searching a registry is not supported", { field: "search" });
  };
}
