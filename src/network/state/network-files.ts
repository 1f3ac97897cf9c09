/**
 * What outlives the daemon: networks in one file, flushed to disk; endpoints in a file each, not flushed, since no endpoint
 * survives the machine. A file is replaced whole, so that it is the old or the new one after a crash.
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { GantryError, errorText } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import type { SwitchedOn } from "../bridge/forwarding.ts";
import type { Endpoint, Network } from "../networks.ts";

/** An endpoint, and what is needed to take it up again after a restart. */
export interface StoredEndpoint extends Endpoint {
  /** The owner's name, for messages and reverse lookups. */
  readonly name: string;
  readonly pid: number;
  readonly netnsPath?: string;
  /** Identity of the owner's network namespace: a process id may have been given away meanwhile. */
  readonly netns: string;
  /** The host's end; "" for endpoints of host and null networks. */
  readonly hostLink: string;
  readonly defaultGateway: boolean;
  readonly linkLocal?: readonly string[];
  readonly sysctls?: Readonly<Record<string, string>>;
  /** Name servers to ask instead of the host's. */
  readonly dns: readonly string[];
}

export interface NetworkState {
  readonly networks: readonly Network[];
  /** The links that were there when forwarding was switched on by us. */
  readonly switchedOn: SwitchedOn;
  /** The boot in which that was. */
  readonly bootId: string;
}

export interface NetworkFiles {
  loadNetworks(): NetworkState | undefined;
  saveNetworks(state: NetworkState): void;
  loadEndpoints(): readonly StoredEndpoint[];
  saveEndpoint(endpoint: StoredEndpoint): void;
  removeEndpoint(id: string): void;
}

const VERSION = 1;

/** Files below `directory`, which is made (0700). */
export function networkFiles(directory: string, logger: Logger): NetworkFiles {
  const networksPath = join(directory, "networks.json");
  const endpointsPath = join(directory, "endpoints");
  mkdirSync(endpointsPath, { recursive: true, mode: 0o700 });
  const endpointPath = (id: string): string => join(endpointsPath, `${id}.json`);
  return {
    loadNetworks() {
      const text = readIfThere(networksPath);
      if (text === undefined) return undefined;
      const { version, ...state } = parse<NetworkState & { version: number }>(text, networksPath);
      if (version !== VERSION)
        throw new GantryError("unsupported", `${networksPath}: version ${version}, this Gantry reads ${VERSION}`);
      return state;
    },
    saveNetworks: (state) =>
      replaceFile(networksPath, JSON.stringify({ version: VERSION, ...state }, undefined, 1), true),
    loadEndpoints() {
      return readdirSync(endpointsPath).flatMap((file) => {
        const path = join(endpointsPath, file);
        try {
          if (file.endsWith(".json")) return [parse<StoredEndpoint>(readFileSync(path, "utf8"), path)];
        } catch (error) {
          logger.warn({ path, error: errorText(error) }, "dropping an unreadable endpoint");
        }
        rmSync(path, { force: true });
        return [];
      });
    },
    saveEndpoint: (endpoint) => replaceFile(endpointPath(endpoint.id), JSON.stringify(endpoint), false),
    removeEndpoint: (id) => rmSync(endpointPath(id), { force: true }),
  };
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

function parse<T>(text: string, path: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw new GantryError("internal", `${path} is damaged: ${errorText(error)}`, {}, error);
  }
}

function replaceFile(path: string, text: string, durable: boolean): void {
  const fresh = `${path}.new`;
  if (!durable) writeFileSync(fresh, text, { mode: 0o600 });
  else {
    const fd = openSync(fresh, "w", 0o600);
    try {
      writeSync(fd, text);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }
  renameSync(fresh, path);
}
