import { existsSync } from "node:fs";
import { PassThrough, type Readable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import { errorText, GantryError, isGantryError } from "#base/errors.ts";
import { parseEntitlement } from "#build/entitlements.ts";
import type { BuildOptions } from "#build/types.ts";
import { flag, list, map, object, text } from "#formats/docker-json.ts";
import { parsePlatform } from "#formats/image-platform.ts";
import { parseExtraHosts } from "#formats/docker-validate.ts";
import { DEFAULT_SHM_BYTES } from "../containers/create/host-config-document.ts";
import type { Deps } from "../deps.ts";
import { param, type Call, type Handler } from "../http/call.ts";
import { progressWriter, stream } from "../http/reply.ts";
import { registryAuths } from "../images/registry-auth.ts";

/** What `gantry build` asks for; `formats/build-events.ts` has what it is answered. */
const bundleRequest = object({
  dockerfile: text,
  dockerfileText: text,
  remote: text,
  /** Of the directories `named/<number>` in the archive. */
  names: list(text),
  contexts: map(text),
  tags: list(text),
  buildArgs: map(text),
  labels: map(text),
  target: text,
  noCache: flag,
  pull: flag,
  checkOnly: flag,
  cacheOnly: flag,
  network: text,
  /** Entitlements. */
  allow: list(text),
  extraHosts: list(text),
  platform: text,
  cacheFrom: list(text),
  /** base64. */
  secrets: map(text),
  /** Paths of sockets on this machine. */
  ssh: map(text),
});

type BundleRequest = ReturnType<typeof bundleRequest>;

/** The most bytes of a request's document: secrets are in it (BuildKit takes 500 KiB of each). */
const REQUEST_LIMIT_BYTES = 16 * 1024 * 1024;

/**
 * POST /gantry/build: what the classic protocol cannot carry. The body is the length of a JSON document (4 bytes, big-endian), the document, and
 * a tar with the context below `context/`. The answer is a line of JSON for each event of the build; `{"error": ...}` is the last one of a
 * build that failed.
 */
export function bundleBuildHandler(deps: Deps): Handler {
  return async (call) => {
    const { document, rest } = await readBundle(call.body);
    const options = await refusedAfterAll(rest, () => bundleOptions(deps, call, document));
    const progress = progressWriter(call);
    const source = document.remote
      ? ({ kind: "remote", url: document.remote } as const)
      : ({ kind: "bundle", archive: rest, names: document.names ?? [] } as const);
    try {
      await deps.builder.build(source, options, progress.send);
    } catch (error) {
      const { excerpt, exitCode, command } = isGantryError(error) ? error.details : {};
      progress.send({ kind: "error", message: errorText(error), excerpt, exitCode, command });
    }
    progress.finish();
  };
}

/** A refusal is told when all of the request has come: who still writes would not read it. */
async function refusedAfterAll<T>(rest: Readable, check: () => T): Promise<T> {
  try {
    return check();
  } catch (error) {
    await finished(rest.resume()).catch(() => undefined); // who has gone needs no answer
    throw error;
  }
}

async function readBundle(body: Readable): Promise<{ document: BundleRequest; rest: Readable }> {
  const rest = new PassThrough();
  const taken = Promise.withResolvers<Buffer>();
  let head: Buffer | undefined = Buffer.alloc(0);
  const split = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      if (!head) {
        yield chunk;
        continue;
      }
      head = Buffer.concat([head, chunk]);
      if (head.length < 4) continue;
      const end = 4 + head.readUInt32BE(0);
      if (end > REQUEST_LIMIT_BYTES)
        throw new GantryError("too-large", `build request is larger than ${REQUEST_LIMIT_BYTES} bytes`);
      if (head.length < end) continue;
      taken.resolve(head.subarray(4, end));
      const after = head.subarray(end);
      head = undefined;
      if (after.length > 0) yield after;
    }
    if (head) throw new GantryError("invalid", "build request ends before its document");
  };
  pipeline(body, split, rest).catch((error: Error) => taken.reject(error));
  const bytes = await taken.promise;
  try {
    return { document: bundleRequest(JSON.parse(bytes.toString("utf8")) as unknown, ""), rest };
  } catch (error) {
    if (isGantryError(error)) throw error;
    throw new GantryError("invalid", `build request is no JSON: ${errorText(error)}`, {}, error);
  }
}

function bundleOptions(deps: Deps, call: Call, document: BundleRequest): BuildOptions {
  const { network = "default", platform, dockerfileText } = document;
  if (network !== "default" && network !== "none" && network !== "host")
    throw new GantryError("unsupported", `building on network ${network} is not supported`, { field: "network" });
  for (const [id, path] of Object.entries(document.ssh ?? {})) {
    if (!existsSync(path)) throw new GantryError("invalid", `ssh ${id}: no agent listens at ${path}`, { id });
  }
  return {
    dockerfile: document.dockerfile || "Dockerfile",
    ...(dockerfileText !== undefined && { dockerfileText }),
    tags: document.tags ?? [],
    buildArgs: new Map(Object.entries(document.buildArgs ?? {})),
    labels: new Map(Object.entries(document.labels ?? {})),
    target: document.target ?? "",
    noCache: document.noCache ?? false,
    pull: document.pull ?? false,
    checkOnly: document.checkOnly ?? false,
    cacheOnly: document.cacheOnly ?? false,
    network,
    allow: new Set((document.allow ?? []).map(parseEntitlement)),
    extraHosts: parseExtraHosts(document.extraHosts ?? [], deps.networks.find("bridge")?.ipam[0]?.gateway),
    shmBytes: DEFAULT_SHM_BYTES,
    resources: {},
    auths: registryAuths(call),
    ...(platform !== undefined && platform !== "" && { platform: parsePlatform(platform) }),
    cacheFrom: document.cacheFrom ?? [],
    secrets: new Map(
      Object.entries(document.secrets ?? {}).map(([id, value]) => [id, Buffer.from(value, "base64")] as const),
    ),
    ssh: new Map(Object.entries(document.ssh ?? {})),
    contexts: new Map(Object.entries(document.contexts ?? {})),
    signal: call.signal,
  };
}

/** GET /gantry/images/{name}/files: all files of an image as one tar, for `gantry build --output`. */
export function imageFilesHandler(deps: Deps): Handler {
  return async (call) => stream(call, deps.images.exportImage(deps.images.get(param(call)).id), "application/x-tar");
}
