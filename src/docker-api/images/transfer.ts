import { errorText, GantryError } from "#base/errors.ts";
import { object, text } from "#formats/docker-json.ts";
import type { Platform } from "#formats/image-config.ts";
import type { Deps } from "../deps.ts";
import { param, type Call, type Handler } from "../http/call.ts";
import { progressWriter, stream } from "../http/reply.ts";
import { registryAuth } from "./registry-auth.ts";

/** POST /images/load: a `docker save` or OCI archive. */
export function loadHandler(deps: Deps): Handler {
  return async (call) => {
    const progress = progressWriter(call);
    const quiet = call.query.flag("quiet");
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
    for (const name of names) deps.images.get(name);
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
      progress.finish(error);
    }
  };
}

async function pull(deps: Deps, call: Call, report: (message: object) => void): Promise<void> {
  const reference = pullReference(call.query.text("fromImage"), call.query.text("tag"));
  const platform = parsePlatform(call.query.text("platform"));
  const auth = registryAuth(call);
  await deps.images.pull(reference, {
    ...(platform && { platform }),
    ...(auth && { auth }),
    report,
    signal: call.signal,
  });
}

/** Name and tag of a pull; a tag that is a digest goes behind an `@`. */
function pullReference(name: string, tag: string): string {
  if (tag === "") {
    if (/@|:[^/]+$/.test(name)) return name;
    throw new GantryError("unsupported", "pulling all tags of an image is not supported: name one", { field: "tag" });
  }
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

/** `linux/arm64/v8`; undefined when empty. Throws `invalid`. */
export function parsePlatform(text: string): Platform | undefined {
  if (text === "") return undefined;
  const [os = "", architecture = "", variant, ...rest] = text.split("/");
  if (os === "" || architecture === "" || rest.length > 0)
    throw new GantryError(
      "invalid",
      `${JSON.stringify(text)}: unknown operating system or architecture: invalid argument`,
    );
  return { os, architecture, ...(variant !== undefined && { variant }) };
}

/** POST /images/{name}/push. */
export function pushHandler(deps: Deps): Handler {
  return async (call) => {
    const tag = call.query.text("tag");
    const platform = parsePushPlatform(call.query.text("platform"));
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
      progress.finish(error);
    }
  };
}

const platformDocument = object({ architecture: text, os: text, variant: text });

/** Since API 1.46 a push names a platform as a JSON document. */
function parsePushPlatform(parameter: string): Platform | undefined {
  if (parameter === "") return undefined;
  const { architecture = "", os = "", variant } = platformDocument(parseJson(parameter), "platform");
  return { architecture, os, ...(variant !== undefined && { variant }) };
}

function parseJson(parameter: string): unknown {
  try {
    return JSON.parse(parameter) as unknown;
  } catch (error) {
    throw new GantryError("invalid", `failed to parse platform: ${errorText(error)}`, {}, error);
  }
}
