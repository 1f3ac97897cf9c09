import { GantryError } from "#base/errors.ts";
import type { ContainerConfig } from "#containers/engine.ts";
import type { DockerHostConfig } from "#formats/docker-config.ts";

const MIB = 1024 * 1024;

/** Options that the log drivers know (moby daemon/logger); the rest is refused in Docker's words. */
const KNOWN_OPTIONS: Readonly<Record<string, readonly string[]>> = {
  "json-file": [
    "max-file",
    "max-size",
    "compress",
    "labels",
    "labels-regex",
    "env",
    "env-regex",
    "tag",
    "mode",
    "max-buffer-size",
  ],
  local: ["max-file", "max-size", "compress", "mode", "max-buffer-size"],
  none: [],
};

/** The log of a container: driver, bytes per file (0: no limit) and files. Throws `invalid` or, by name, `unsupported`. */
export function logOf(logConfig: DockerHostConfig["LogConfig"]): ContainerConfig["log"] {
  const driver = logConfig?.Type || "json-file";
  const options = logConfig?.Config ?? {};
  if (driver !== "json-file" && driver !== "local" && driver !== "none") {
    throw new GantryError("invalid", `logger: no log driver named '${driver}' is registered`, { field: "LogConfig" });
  }
  for (const [key, value] of Object.entries(options)) checkOption(driver, key, value);
  if (driver === "none") return { driver, maxBytes: 0, maxFiles: 0 };
  const maxBytes =
    options["max-size"] === undefined ? (driver === "local" ? 20 * MIB : 0) : parseBytes(options["max-size"]);
  const maxFiles = options["max-file"] === undefined ? (driver === "local" ? 5 : 1) : Number(options["max-file"]);
  if (!Number.isInteger(maxFiles) || maxFiles < 1)
    throw new GantryError("invalid", "max-file cannot be less than 1", { field: "LogConfig" });
  if (maxFiles > 1 && maxBytes === 0)
    throw new GantryError("invalid", "max-file must be used together with max-size", { field: "LogConfig" });
  return { driver, maxBytes, maxFiles };
}

function checkOption(driver: string, key: string, value: string): void {
  if (!KNOWN_OPTIONS[driver]?.includes(key)) {
    throw new GantryError("invalid", `unknown log opt '${key}' for ${driver} log driver`, { field: "LogConfig" });
  }
  const byDefault =
    key === "max-file" ||
    key === "max-size" ||
    (key === "mode" && value === "blocking") ||
    (key === "compress" && value === "false");
  if (!byDefault && value !== "")
    throw new GantryError("unsupported", `log option ${key} of the ${driver} log driver is not supported`, {
      field: "LogConfig",
    });
}

const UNITS: Readonly<Record<string, number>> = { "": 1, b: 1, k: 1024, m: MIB, g: 1024 * MIB };

/** `10m`, `1g`, `-1` (no limit): docker/go-units RAMInBytes. */
function parseBytes(text: string): number {
  if (text === "-1") return 0;
  const match = /^(\d+(?:\.\d+)?) ?([kmg]?)(?:i?b)?$/i.exec(text);
  const bytes = match ? Math.floor(Number(match[1]) * (UNITS[(match[2] ?? "").toLowerCase()] ?? 1)) : 0;
  if (bytes <= 0) throw new GantryError("invalid", `invalid value for max-size: ${text}`, { field: "LogConfig" });
  return bytes;
}
