/** Where volume plugins are found (Docker, "Docker Plugin API": sockets in /run/docker/plugins, addresses in *.spec and *.json). */
import { existsSync, lstatSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { GantryError } from "#base/errors.ts";

export interface PluginAddress {
  readonly name: string;
  /** Path of a unix socket, or a base URL. */
  readonly socketPath?: string;
  readonly url?: string;
}

export interface PluginPlaces {
  readonly sockets: string;
  readonly specs: readonly string[];
}

export const PLUGIN_PLACES: PluginPlaces = {
  sockets: "/run/docker/plugins",
  specs: ["/etc/docker/plugins", "/usr/lib/docker/plugins"],
};

const SPEC_LIMIT_BYTES = 64 * 1024;
const NAME_PATTERN = /^[a-zA-Z0-9][a-zA-Z0-9_.:/-]*$/;

/** The address of a plugin; undefined when none of that name is there. Throws `invalid` for a file that cannot be read as one. */
export function findPlugin(name: string, places: PluginPlaces = PLUGIN_PLACES): PluginAddress | undefined {
  if (!NAME_PATTERN.test(name) || name.includes("..")) return undefined;
  for (const socketPath of [join(places.sockets, `${name}.sock`), join(places.sockets, name, `${name}.sock`)])
    if (lstatSync(socketPath, { throwIfNoEntry: false })?.isSocket()) return { name, socketPath };
  for (const directory of places.specs) {
    const spec = firstThere([join(directory, `${name}.spec`), join(directory, name, `${name}.spec`)]);
    if (spec) return addressOf(name, readBounded(spec).trim());
    const json = firstThere([join(directory, `${name}.json`), join(directory, name, `${name}.json`)]);
    if (json) return jsonAddress(name, readBounded(json));
  }
  return undefined;
}

/** Names of the plugins whose socket or file is there, sorted. */
export function pluginNames(places: PluginPlaces = PLUGIN_PLACES): string[] {
  const names = [
    ...namesIn(places.sockets, [".sock"]),
    ...places.specs.flatMap((directory) => namesIn(directory, [".spec", ".json"])),
  ];
  return Array.from(new Set(names)).sort();
}

function namesIn(directory: string, suffixes: readonly string[]): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true }).flatMap((each) => {
    const suffix = suffixes.find((end) => each.name.endsWith(end));
    if (suffix) return [basename(each.name, suffix)];
    const nested = suffixes.some((end) => existsSync(join(directory, each.name, `${each.name}${end}`)));
    return each.isDirectory() && nested ? [each.name] : [];
  });
}

const firstThere = (paths: readonly string[]): string | undefined => paths.find((path) => existsSync(path));

function readBounded(path: string): string {
  const bytes = readFileSync(path);
  if (bytes.length <= SPEC_LIMIT_BYTES) return bytes.toString("utf8");
  throw new GantryError("too-large", `plugin file ${path} is larger than ${SPEC_LIMIT_BYTES} bytes`, { path });
}

function jsonAddress(name: string, text: string): PluginAddress {
  const document = JSON.parse(text) as { Name?: string; Addr?: string; TLSConfig?: { InsecureSkipVerify?: boolean } };
  if (document.TLSConfig && Object.keys(document.TLSConfig).length > 0)
    throw new GantryError("unsupported", `plugin ${name}: TLSConfig is not supported`, { plugin: name });
  return addressOf(document.Name || name, document.Addr ?? "");
}

function addressOf(name: string, address: string): PluginAddress {
  if (address.startsWith("unix://")) return { name, socketPath: address.slice("unix://".length) };
  const url = /^(?:tcp|http):\/\/([^/]+)/.exec(address);
  if (url) return { name, url: `http://${url[1] ?? ""}` };
  throw new GantryError("invalid", `plugin ${name}: unknown address ${JSON.stringify(address)}`, { plugin: name });
}
