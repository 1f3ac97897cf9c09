import { parseDigest } from "./digest.ts";
import type { HealthcheckConfig, ImageConfig, ImageHistory, RunConfig } from "./image-config.ts";
import {
  asObject,
  asString,
  defined,
  invalid,
  optionalArray,
  optionalBoolean,
  optionalCount,
  optionalInteger,
  optionalSet,
  optionalString,
  optionalStringMap,
  optionalStrings,
  parseJsonObject,
  type JsonObject,
} from "./image-json.ts";

/** Bounds on an image configuration. */
export const CONFIG_LIMITS = { bytes: 8 * 1024 * 1024, layers: 1024, history: 4096, entries: 65_536 } as const;

/**
 * Reads an image configuration document. Unknown fields are left out of the result (the document itself is kept in the
 * content store). Throws `invalid` naming the field that is wrong.
 */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  const document = parseJsonObject(bytes, "image configuration", CONFIG_LIMITS.bytes);
  if (document["rootfs"] === undefined || document["rootfs"] === null)
    throw invalid("invalid image JSON, no RootFS key");
  const rootfs = asObject(document["rootfs"], "rootfs");
  const type = optionalString(rootfs["type"], "rootfs type") ?? "";
  if (type !== "layers") throw invalid(`rootfs type ${JSON.stringify(type)} is not "layers"`);
  return defined<ImageConfig>({
    created: optionalString(document["created"], "created"),
    author: optionalString(document["author"], "author"),
    architecture: optionalString(document["architecture"], "architecture") ?? "",
    os: optionalString(document["os"], "os") ?? "",
    variant: optionalString(document["variant"], "variant"),
    "os.version": optionalString(document["os.version"], "os.version"),
    config: document["config"] ? readRunConfig(asObject(document["config"], "config")) : undefined,
    rootfs: { type: "layers", diff_ids: readDiffIds(rootfs["diff_ids"]) },
    history: optionalArray(document["history"], "history", CONFIG_LIMITS.history)?.map(readHistory),
    docker_version: optionalString(document["docker_version"], "docker_version"),
    comment: optionalString(document["comment"], "comment"),
    "gantry.steps": optionalStrings(document["gantry.steps"], "gantry.steps", CONFIG_LIMITS.history),
  });
}

function readDiffIds(value: unknown): string[] {
  const diffIds = optionalArray(value, "rootfs diff_ids", CONFIG_LIMITS.layers) ?? [];
  return diffIds.map((diffId, at) => {
    parseDigest(asString(diffId, `rootfs diff_ids[${at}]`));
    return String(diffId);
  });
}

function readHistory(value: unknown, at: number): ImageHistory {
  const what = `history[${at}]`;
  const entry = asObject(value, what);
  return defined<ImageHistory>({
    created: optionalString(entry["created"], `${what} created`),
    author: optionalString(entry["author"], `${what} author`),
    created_by: optionalString(entry["created_by"], `${what} created_by`),
    comment: optionalString(entry["comment"], `${what} comment`),
    empty_layer: optionalBoolean(entry["empty_layer"], `${what} empty_layer`),
  });
}

/** The part that containers are started by. */
export function readRunConfig(object: JsonObject): RunConfig {
  const strings = (key: string): string[] | undefined =>
    optionalStrings(object[key], `config ${key}`, CONFIG_LIMITS.entries);
  return defined<RunConfig>({
    User: optionalString(object["User"], "config User"),
    ExposedPorts: optionalSet(object["ExposedPorts"], "config ExposedPorts"),
    Env: strings("Env"),
    Entrypoint: strings("Entrypoint") ?? readShellForm(object["Entrypoint"]),
    Cmd: strings("Cmd"),
    Volumes: optionalSet(object["Volumes"], "config Volumes"),
    WorkingDir: optionalString(object["WorkingDir"], "config WorkingDir"),
    Labels: optionalStringMap(object["Labels"], "config Labels"),
    StopSignal: optionalString(object["StopSignal"], "config StopSignal"),
    StopTimeout: optionalInteger(object["StopTimeout"], "config StopTimeout"),
    ArgsEscaped: optionalBoolean(object["ArgsEscaped"], "config ArgsEscaped"),
    Shell: strings("Shell"),
    OnBuild: strings("OnBuild"),
    Healthcheck: object["Healthcheck"]
      ? readHealthcheck(asObject(object["Healthcheck"], "config Healthcheck"))
      : undefined,
  });
}

/** null is kept: it says that the field was written, and empty. */
function readShellForm(value: unknown): null | undefined {
  return value === null ? null : undefined;
}

function readHealthcheck(object: JsonObject): HealthcheckConfig {
  const count = (key: string): number | undefined => optionalCount(object[key], `config Healthcheck ${key}`);
  return defined<HealthcheckConfig>({
    Test: optionalStrings(object["Test"], "config Healthcheck Test", CONFIG_LIMITS.entries),
    Interval: count("Interval"),
    Timeout: count("Timeout"),
    StartPeriod: count("StartPeriod"),
    StartInterval: count("StartInterval"),
    Retries: count("Retries"),
  });
}
