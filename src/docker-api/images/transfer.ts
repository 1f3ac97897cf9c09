import { GantryError, isGantryError } from "#base/errors.ts";
import type { Deps } from "../deps.ts";
import { param, type Call, type Handler } from "../http/call.ts";
import { progressWriter, stream } from "../http/reply.ts";
import { checkPlatform, parsePlatform, platformOf } from "./platform.ts";
import { registryAuth } from "./registry-auth.ts";

/** POST /images/load: a `docker save` or OCI archive. */
export function loadHandler(deps: Deps): Handler {
  return async (call) => {
    const progress = progressWriter(call);
    const quiet = call.query.flag("quiet");
    const platform = platformOf(call.query);
    if (platform && platform.architecture !== deps.host.goArch) {
      throw new GantryError(
        "unsupported",
        `loading images of ${platform.os}/${platform.architecture} is not supported on this machine`,
        { field: "platform" },
      );
    }
    try {
      const loaded = await deps.images.load(call.body, quiet ? undefined : progress.send);
      for (const name of loaded) {
        const byId = name.startsWith("sha256:");
        progress.send({ stream: `${byId ? "Loaded image ID" : "Loaded image"}: ${name}\n` });
      }
      progress.finish();
    } catch (error) {
      progress.finish(error);
    }
  };
}

/** GET /images/get and /images/{name}/get: a `docker save` archive. */
export function saveHandler(deps: Deps): Handler {
  return async (call) => {
    const single = call.params["name"];
    const names = single === undefined ? call.query.all("names").flatMap((each) => each.split(",")) : [single];
    if (names.length === 0) throw new GantryError("invalid", "no images named");
    const platform = platformOf(call.query);
    for (const name of names) checkPlatform(deps.images.get(name), name, platform);
    await stream(call, deps.images.save(names), "application/x-tar");
  };
}

/** POST /images/create: a pull (`fromImage`) or an import (`fromSrc=-`). */
export function createImageHandler(deps: Deps): Handler {
  return async (call) => {
    const progress = progressWriter(call);
    try {
      if (call.query.text("fromImage") !== "") await pull(deps, call, progress.send);
      else await importImage(deps, call, progress.send);
      progress.finish();
    } catch (error) {
      progress.finish(withoutPrompt(error));
    }
  };
}

async function pull(deps: Deps, call: Call, report: (message: object) => void): Promise<void> {
  const { query } = call;
  const [name, tag] = [query.text("fromImage"), query.text("tag")];
  const platform = parsePlatform(query.text("platform"));
  const auth = registryAuth(call);
  const options = { ...(platform && { platform }), ...(auth && { auth }), report, signal: call.signal };
  if (tag === "" && !/@|:[^/]+$/.test(name)) await deps.images.pullAllTags(name, options);
  else await deps.images.pull(pullReference(name, tag), options);
}

/** Name and tag of a pull; a tag that is a digest goes behind an `@`. */
function pullReference(name: string, tag: string): string {
  if (tag === "") return name;
  return tag.includes(":") ? `${name}@${tag}` : `${name}:${tag}`;
}

async function importImage(deps: Deps, call: Call, report: (message: object) => void): Promise<void> {
  const { query } = call;
  const source = query.text("fromSrc");
  if (source !== "-")
    throw new GantryError("unsupported", "importing from a URL is not supported: send the archive", {
      field: "fromSrc",
    });
  const repo = query.text("repo");
  const tag = query.text("tag");
  const platform = parsePlatform(query.text("platform"));
  const id = await deps.images.import(call.body, {
    ...(repo !== "" && { reference: tag === "" ? repo : `${repo}:${tag}` }),
    message: query.text("message") || "Imported from -",
    changes: query.all("changes"),
    ...(platform && { platform }),
  });
  report({ status: id });
}

/** POST /images/{name}/push. */
export function pushHandler(deps: Deps): Handler {
  return async (call) => {
    const tag = call.query.text("tag");
    const platform = platformOf(call.query);
    const auth = registryAuth(call);
    const progress = progressWriter(call);
    try {
      await deps.images.push(tag === "" ? param(call) : `${param(call)}:${tag}`, {
        allTags: tag === "",
        ...(platform && { platform }),
        ...(auth && { auth }),
        report: progress.send,
        signal: call.signal,
      });
      progress.finish();
    } catch (error) {
      progress.finish(withoutPrompt(error));
    }
  };
}

/** A registry that wants credentials is no 401 of this API: the CLI would ask for a user name then, and wait for it. */
function withoutPrompt(error: unknown): unknown {
  return isGantryError(error, "unauthorized")
    ? new GantryError("internal", error.message, error.details, error)
    : error;
}
