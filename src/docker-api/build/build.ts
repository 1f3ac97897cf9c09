import { GantryError, isGantryError } from "#base/errors.ts";
import { classicOutput } from "#build/classic-output.ts";
import type { BuildOptions, BuildSource } from "#build/types.ts";
import { integer, list as listOf, map, nullable, object, text, type Decoder } from "#formats/docker-json.ts";
import { parsePlatform } from "#formats/image-platform.ts";
import { checkResources, ociResources } from "#formats/docker-resources.ts";
import { parseExtraHosts } from "#formats/docker-validate.ts";
import type { RegistryAuth } from "#images/image-store.ts";
import type { Deps } from "../deps.ts";
import type { Call, Handler } from "../http/call.ts";
import type { Query } from "../http/query.ts";
import { json, progressWriter } from "../http/reply.ts";
import { deviceNumbers } from "../containers/create/device-numbers.ts";
import { DEFAULT_SHM_BYTES } from "../containers/create/host-config-document.ts";
import { registryAuths } from "../images/registry-auth.ts";

/** POST /build: the classic builder's protocol: the context as the body, progress as JSON messages. */
export function buildHandler(deps: Deps): Handler {
  return async (call) => {
    const options = buildOptions(deps, call);
    const quiet = call.query.flag("q");
    const progress = progressWriter(call);
    const remote = call.query.text("remote");
    const source: BuildSource =
      remote === "" ? { kind: "archive", archive: call.body } : { kind: "remote", url: remote };
    try {
      const id = await deps.builder.build(source, options, quiet ? () => undefined : classicOutput(progress.send));
      if (quiet) progress.send({ stream: `${id}\n` });
      progress.finish();
    } catch (error) {
      const excerpt = isGantryError(error) ? error.details["excerpt"] : undefined;
      if (typeof excerpt === "string" && !quiet) progress.send({ stream: `${excerpt}\n` });
      progress.finish(error);
    }
  };
}

/** POST /build/prune. */
export function pruneBuildHandler(deps: Deps): Handler {
  return async ({ response }) => {
    const { deleted, reclaimedBytes } = await deps.builder.prune();
    json(response, 200, { CachesDeleted: deleted.length > 0 ? deleted : null, SpaceReclaimed: reclaimedBytes });
  };
}

/** Reads the request's parameters; refuses by name what Gantry does not do. */
function buildOptions(deps: Deps, call: Call): BuildOptions {
  const { query } = call;
  refuseUnsupported(query);
  const auths: ReadonlyMap<string, RegistryAuth> = registryAuths(call);
  const platform = query.text("platform") === "" ? undefined : parsePlatform(query.text("platform"));
  const network = query.text("networkmode") || "default";
  if (network !== "default" && network !== "none" && network !== "host" && network !== "bridge") {
    throw new GantryError("unsupported", `building on network ${network} is not supported`, { field: "networkmode" });
  }
  return {
    dockerfile: query.text("dockerfile") || "Dockerfile",
    tags: query.all("t").filter((tag) => tag !== ""),
    buildArgs: new Map(
      Object.entries(parse(query, "buildargs", map(nullable(text)))).flatMap(([name, value]) =>
        value === null ? [] : [[name, value] as const],
      ),
    ),
    labels: new Map(Object.entries(parse(query, "labels", map(text)))),
    target: query.text("target"),
    noCache: query.flag("nocache"),
    pull: query.flag("pull"),
    cacheFrom: list(query, "cachefrom"),
    ...(platform && { platform }),
    network: network === "bridge" ? "default" : network,
    extraHosts: parseExtraHosts(
      query.text("extrahosts") === "" ? [] : query.text("extrahosts").split(","),
      deps.networks.find("bridge")?.ipam[0]?.gateway,
    ),
    shmBytes: query.integer("shmsize") || DEFAULT_SHM_BYTES,
    resources: resourcesOf(deps, query),
    auths,
    signal: call.signal,
  };
}

function refuseUnsupported(query: Query): void {
  const unsupported = (field: string, what = field): GantryError =>
    new GantryError("unsupported", `build option ${what} is not supported`, { field });
  if (query.text("version") === "2")
    throw new GantryError("unsupported", "BuildKit's protocol is not supported: set DOCKER_BUILDKIT=0", {
      field: "version",
    });
  if (query.flag("squash")) throw unsupported("squash");
  if (query.text("outputs") !== "" && query.text("outputs") !== "[]") throw unsupported("outputs");
  if (query.text("securityopt") !== "" && !["null", "[]"].includes(query.text("securityopt")))
    throw unsupported("securityopt");
  if (query.text("ulimits") !== "" && !["null", "[]"].includes(query.text("ulimits"))) throw unsupported("ulimits");
  if (query.text("cgroupparent") !== "") throw unsupported("cgroupparent");
}

/** A parameter that holds a list of texts as JSON. */
function list(query: Query, name: string): readonly string[] {
  return parseParameter(query, name, listOf(text)) ?? [];
}

/** A parameter that holds an object as JSON; empty when it is absent. */
function parse<T>(query: Query, name: string, decode: Decoder<Record<string, T>>): Record<string, T> {
  return parseParameter(query, name, decode) ?? {};
}

/** Throws `invalid` for what is no JSON, or another document. */
function parseParameter<T>(query: Query, name: string, decode: Decoder<T>): T | undefined {
  const value = query.text(name);
  if (value === "" || value === "null") return undefined;
  try {
    return decode(JSON.parse(value) as unknown, name);
  } catch (error) {
    throw new GantryError(
      "invalid",
      `error reading build parameter ${name}: ${error instanceof Error ? error.message : String(error)}`,
      { name },
      error,
    );
  }
}

const limits = object({
  Memory: integer,
  MemorySwap: integer,
  CpuShares: integer,
  CpuPeriod: integer,
  CpuQuota: integer,
});

function resourcesOf(deps: Deps, query: Query): BuildOptions["resources"] {
  const asked = limits(
    {
      Memory: query.integer("memory") ?? 0,
      MemorySwap: query.integer("memswap") ?? 0,
      CpuShares: query.integer("cpushares") ?? 0,
      CpuPeriod: query.integer("cpuperiod") ?? 0,
      CpuQuota: query.integer("cpuquota") ?? 0,
    },
    "",
  );
  const sets = { CpusetCpus: query.text("cpusetcpus"), CpusetMems: query.text("cpusetmems") };
  return ociResources(checkResources({ ...asked, ...sets }, deps.host.limits, false).resources, deviceNumbers);
}
