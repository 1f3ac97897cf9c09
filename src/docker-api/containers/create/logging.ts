import { GantryError } from "#base/errors.ts";
import type { ContainerConfig } from "#containers/engine.ts";
import type { DockerConfig, DockerHostConfig } from "#formats/docker-config.ts";
import { unknownTagField } from "#containers/log-tag.ts";

const MIB = 1024 * 1024;

/** Options that the log drivers know (moby daemon/logger); the rest is refused in Docker's words. */
const KNOWN_OPTIONS: Readonly<Record<string, readonly string[]>> = {
  "json-file": ["max-file", "max-size", "compress", "labels", "labels-regex", "env", "env-regex", "tag"],
  local: ["max-file", "max-size", "compress"],
  none: [],
};

/** Of every driver. A log is a file here: nothing waits for a reader in either mode, so that there is no buffer to size. */
const COMMON_OPTIONS = ["mode", "max-buffer-size"];

type Options = Readonly<Record<string, string>>;

/** The log of a container: driver, bytes per file (0: no limit), files, and what each record carries. Throws `invalid` in Docker's words. */
export function logOf(logConfig: DockerHostConfig["LogConfig"], config: DockerConfig): ContainerConfig["log"] {
  const driver = logConfig?.Type || "json-file";
  const options = logConfig?.Config ?? {};
  if (driver !== "json-file" && driver !== "local" && driver !== "none")
    throw invalid(`error looking up logging plugin ${driver}: plugin ${JSON.stringify(driver)} not found`);
  for (const key of Object.keys(options))
    if (!KNOWN_OPTIONS[driver]?.includes(key) && !COMMON_OPTIONS.includes(key))
      throw invalid(`unknown log opt '${key}' for ${driver} log driver`);
  checkMode(options);
  if (driver === "none") return { driver, maxBytes: 0, maxFiles: 0 };
  const isLocal = driver === "local";
  const maxBytes = options["max-size"] === undefined ? (isLocal ? 20 * MIB : 0) : parseBytes(options["max-size"]);
  const maxFiles = options["max-file"] === undefined ? (isLocal ? 5 : 1) : parseCount(options["max-file"]);
  const compress = options["compress"] === undefined ? isLocal : parseFlag("compress", options["compress"]);
  if (compress && !isLocal && (maxFiles < 2 || maxBytes === 0))
    throw invalid("compress cannot be true when max-file is less than 2 or max-size is not set");
  const attributes = attributesOf(options, config);
  return {
    driver,
    maxBytes,
    // Without a size nothing is ever rotated.
    maxFiles: maxBytes === 0 ? 1 : maxFiles,
    ...(compress && { compress }),
    ...(Object.keys(attributes).length > 0 && { attributes }),
    ...(options["tag"] && { tag: checkTag(options["tag"]) }),
  };
}

function checkMode(options: Options): void {
  const mode = options["mode"] ?? "";
  if (mode !== "" && mode !== "blocking" && mode !== "non-blocking")
    throw invalid(`logger: logging mode not supported: ${mode}`);
  if (options["max-buffer-size"] === undefined) return;
  if (mode !== "non-blocking")
    throw invalid("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
  parseBytes(options["max-buffer-size"]);
}

function checkTag(template: string): string {
  const unknown = unknownTagField(template);
  if (unknown === undefined) return template;
  throw new GantryError("unsupported", `log tag: ${unknown} is not supported`, { field: "LogConfig" });
}

/** Labels and variables that the options name, or that their patterns match. */
function attributesOf(options: Options, { Labels = {}, Env = [] }: DockerConfig): Record<string, string> {
  const variables = Env.flatMap((text): [string, string][] => {
    const at = text.indexOf("=");
    return at < 0 ? [] : [[text.slice(0, at), text.slice(at + 1)]];
  });
  const chosen = [
    ...choose(Object.entries(Labels), options["labels"], options["labels-regex"]),
    ...choose(variables, options["env"], options["env-regex"]),
  ];
  return Object.fromEntries(chosen);
}

function choose(
  pairs: readonly (readonly [string, string])[],
  names = "",
  pattern = "",
): (readonly [string, string])[] {
  const named = new Set(names.split(",").map((name) => name.trim()));
  const matches = patternOf(pattern);
  return pairs.filter(([name]) => named.has(name) || matches?.test(name));
}

function patternOf(pattern: string): RegExp | undefined {
  if (pattern === "") return undefined;
  try {
    return new RegExp(pattern);
  } catch (error) {
    throw new GantryError("invalid", `error parsing regexp: ${pattern}`, { field: "LogConfig" }, error);
  }
}

const UNITS: Readonly<Record<string, number>> = { "": 1, b: 1, k: 1024, m: MIB, g: 1024 * MIB };

/** `10m`, `1g`, `-1` (no limit): docker/go-units RAMInBytes. */
function parseBytes(text: string): number {
  if (text === "-1") return 0;
  const match = /^(\d+(?:\.\d+)?) ?([kmg]?)(?:i?b)?$/i.exec(text);
  const bytes = match ? Math.floor(Number(match[1]) * (UNITS[(match[2] ?? "").toLowerCase()] ?? 1)) : 0;
  if (bytes <= 0) throw invalid(`invalid size: '${text}'`);
  return bytes;
}

function parseCount(text: string): number {
  if (!/^[+-]?\d{1,9}$/.test(text)) throw invalid(`strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`);
  if (Number(text) < 1) throw invalid("max-file cannot be less than 1");
  return Number(text);
}

function parseFlag(option: string, text: string): boolean {
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw invalid(`invalid value for ${option}: ${JSON.stringify(text)}`);
}

function invalid(message: string): GantryError {
  return new GantryError("invalid", message, { field: "LogConfig" });
}
