/** Creating, finding and removing networks. */
import { GantryError } from "#base/errors.ts";
import { hexId } from "#base/ids.ts";
import { isSyscallError } from "#linux/syscalls.ts";
import { parsePrefix, type Prefix } from "../addresses/prefix.ts";
import { resolveRanges } from "../definitions/ipam.ts";
import { bridgeOptions } from "../definitions/options.ts";
import type { Network, NetworkConfig } from "../networks.ts";
import { bringUp, liveNetwork } from "./live-network.ts";
import { endpointsOf, saveNetworks, type LiveNetwork, type Runtime } from "./runtime.ts";

/** Docker's networks that are always there. */
export const PREDEFINED: ReadonlySet<string> = new Set(["bridge", "host", "none"]);

const MAIN_TABLE = 254;

/** Id, exact name, then id prefix, as Docker looks for them. Throws `invalid` for what is ambiguous. */
export function findNetwork({ networks }: Runtime, reference: string): LiveNetwork | undefined {
  const byId = networks.get(reference);
  if (byId) return byId;
  const all = Array.from(networks.values());
  const byName = all.find(({ network }) => network.name === reference);
  if (byName || reference === "") return byName;
  const byPrefix = all.filter(({ network }) => network.id.startsWith(reference));
  if (byPrefix.length > 1) {
    throw new GantryError(
      "invalid",
      `network ${reference} is ambiguous (${byPrefix.length} matches found based on ID prefix)`,
    );
  }
  return byPrefix[0];
}

/** Throws `not-found` in Docker's words. */
export function requireNetwork(runtime: Runtime, reference: string): LiveNetwork {
  const found = findNetwork(runtime, reference);
  if (!found) throw new GantryError("not-found", `network ${reference} not found`);
  return found;
}

export function createNetwork(runtime: Runtime, config: NetworkConfig): Network {
  if (config.name.trim() === "") throw new GantryError("invalid", `invalid name: ${config.name}`);
  if (PREDEFINED.has(config.name)) {
    throw new GantryError("forbidden", `operation is not permitted on predefined ${config.name} network`);
  }
  if (config.driver !== "bridge") {
    throw new GantryError("forbidden", `only one instance of "${config.driver}" network is allowed`);
  }
  if (Array.from(runtime.networks.values()).some(({ network }) => network.name === config.name)) {
    throw new GantryError("already-exists", `network with name ${config.name} already exists`);
  }
  return addNetwork(runtime, config);
}

/** Without the checks on names: for the predefined networks too. All or nothing. */
export function addNetwork(runtime: Runtime, config: NetworkConfig): Network {
  const live = liveNetwork(define(runtime, config));
  const { network } = live;
  // Written first: after a crash the bridge is made at the next start, and never left without an owner.
  runtime.networks.set(network.id, live);
  try {
    saveNetworks(runtime);
    bringUp(runtime, live);
    return network;
  } catch (error) {
    takeDown(runtime, live);
    throw error;
  }
}

function define(runtime: Runtime, config: NetworkConfig): Network {
  const id = hexId(runtime.random);
  const base = { id, createdAt: runtime.clock.now() };
  if (config.driver !== "bridge") return { ...config, ...base };
  const bridge = bridgeOptions(config).bridgeName ?? `br-${id.slice(0, 12)}`;
  const other = Array.from(runtime.networks.values()).find((live) => live.bridge?.name === bridge);
  if (other) throw new GantryError("conflict", `the bridge ${bridge} belongs to network ${other.network.name} already`);
  if (runtime.rtnetlink.link(bridge)) throw new GantryError("conflict", `a link named ${bridge} exists already`);
  const ipam = resolveRanges(config, takenRanges(runtime), routedRanges(runtime), runtime.random);
  return { ...config, ...base, ipam, askedIpam: config.ipam, bridge };
}

function takenRanges({ networks }: Runtime): Prefix[] {
  return Array.from(networks.values()).flatMap(({ network }) => network.ipam.map(({ subnet }) => parsePrefix(subnet)));
}

/** What the host reaches by a route of its own, the default route apart. */
function routedRanges({ rtnetlink }: Runtime): Prefix[] {
  return rtnetlink.routes().flatMap(({ destination, table, family }) => {
    if (!destination || table !== MAIN_TABLE || family !== 4) return [];
    return [parsePrefix(`${destination.address}/${destination.prefixLength}`)];
  });
}

export function removeNetwork(runtime: Runtime, reference: string): void {
  const live = requireNetwork(runtime, reference);
  const { name, id } = live.network;
  if (PREDEFINED.has(name))
    throw new GantryError("forbidden", `${name} is a pre-defined network and cannot be removed`);
  const active = endpointsOf(runtime, { networkId: id });
  if (active.length > 0) {
    const list = active.map((endpoint) => `name:"${endpoint.name}" id:"${endpoint.id.slice(0, 12)}"`).join(", ");
    throw new GantryError(
      "forbidden",
      `error while removing network: network ${name} id ${id} has active endpoints (${list})`,
    );
  }
  takeDown(runtime, live);
}

/** The bridge goes before the definition, so that a crash in between leaves nothing that nobody knows. */
function takeDown(runtime: Runtime, { network, bridge }: LiveNetwork): void {
  if (bridge) {
    ignoring(["ENOENT"], () => runtime.rules.removeNetwork(network.id));
    const link = runtime.rtnetlink.link(bridge.name);
    if (link?.alias.endsWith(`:${network.id}`)) runtime.rtnetlink.deleteLink(link.index);
  }
  runtime.networks.delete(network.id);
  saveNetworks(runtime);
}

function ignoring(codes: readonly string[], run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!isSyscallError(error, ...codes)) throw error;
  }
}
