import { GantryError } from "#base/errors.ts";
import type { Endpoint } from "#network/networks.ts";
import { linkEnvironment } from "../spec/link-environment.ts";
import type { HostsEntry } from "../spec/name-files.ts";
import type { EngineContext } from "./context.ts";
import type { Entry } from "./entry.ts";

type Context = Pick<EngineContext, "registry">;
type NetworkContext = Pick<EngineContext, "registry" | "networks">;

const DEFAULT_BRIDGE = "bridge";

/** Throws `conflict` in Docker's words when a linked container does not run, or is not on the default bridge where it has to be. */
export function checkLinks({ registry, networks }: NetworkContext, { record }: Entry): void {
  for (const { id, alias, ports } of record.config.links ?? []) {
    const other = registry.find(id);
    const status = other?.record.state.status;
    if (status === "running" || status === "paused") {
      if (ports && other && !bridgeEndpoint(networks, other))
        throw new GantryError("conflict", `container ${id} not attached to default bridge network`, { id });
      continue;
    }
    throw new GantryError(
      "conflict",
      `Cannot link to a non running container: /${other?.record.name ?? id} AS /${record.name}/${alias}`,
      { id },
    );
  }
}

function bridgeEndpoint(networks: EngineContext["networks"], { endpoints }: Entry): Endpoint | undefined {
  const bridge = networks.find(DEFAULT_BRIDGE)?.id;
  return endpoints.find(({ networkId }) => networkId === bridge);
}

/** Variables of the containers that are linked on the default bridge. */
export function linkedEnvironment({ registry, networks }: NetworkContext, { record }: Entry): string[] {
  return (record.config.links ?? []).flatMap(({ id, alias, ports }) => {
    const other = ports && registry.find(id);
    const address = other && bridgeEndpoint(networks, other)?.ipv4;
    if (!other || !address) return [];
    return linkEnvironment({ name: record.name, alias, address, ports, env: other.record.config.env });
  });
}

/** Linked containers under their aliases, at their addresses on a network that both are on. */
export function linkEntries({ registry }: Context, { record, endpoints }: Entry): HostsEntry[] {
  const networks = new Set(endpoints.map(({ networkId }) => networkId));
  return (record.config.links ?? []).flatMap(({ id, alias }) => {
    const other = registry.find(id);
    const shared = other?.endpoints.find(({ networkId }) => networks.has(networkId));
    if (!other || !shared) return [];
    const names = Array.from(new Set([alias, other.record.config.hostname, other.record.name]))
      .filter(Boolean)
      .join(" ");
    return [shared.ipv4, shared.ipv6].filter((address) => address !== "").map((address) => ({ address, names }));
  });
}

/** Running containers that link to one: their hosts files name its address. */
export function linkersOf({ registry }: Context, { id }: Entry): Entry[] {
  return Array.from(registry.entries()).filter(
    ({ run, record }) => run !== undefined && record.config.links?.some((link) => link.id === id),
  );
}
