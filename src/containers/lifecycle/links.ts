import { GantryError } from "#base/errors.ts";
import type { HostsEntry } from "../spec/name-files.ts";
import type { EngineContext } from "./context.ts";
import type { Entry } from "./entry.ts";

type Context = Pick<EngineContext, "registry">;

/** Throws `conflict` in Docker's words when a linked container does not run. */
export function checkLinks({ registry }: Context, { record }: Entry): void {
  for (const { id, alias } of record.config.links ?? []) {
    const other = registry.find(id);
    const status = other?.record.state.status;
    if (status === "running" || status === "paused") continue;
    throw new GantryError(
      "conflict",
      `Cannot link to a non running container: /${other?.record.name ?? id} AS /${record.name}/${alias}`,
      { id },
    );
  }
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
