import { GantryError } from "#base/errors.ts";
import type { NetworkAttachment } from "../engine.ts";
import type { EngineContext } from "./context.ts";
import type { Entry } from "./entry.ts";
import { updateNameFiles } from "./name-files.ts";
import { networkOf, plug, route, unplug } from "./plug.ts";

/** Joins one more network: plugged in at once when it runs, else at the next start. */
export function connectContainer(context: EngineContext, id: string, attachment: NetworkAttachment): Promise<void> {
  return context.serial.run(id, async () => {
    const entry = context.registry.entry(id);
    const { config, state } = entry.record;
    if (config.namespaces.network.kind !== "new" && config.namespaces.network.kind !== "none")
      throw new GantryError(
        "invalid",
        "container sharing network namespace with another container or host cannot be connected to any other network",
        { id },
      );
    const network = networkOf(context, attachment.network);
    if (config.networks.some((each) => isOf(context, each, network.id)))
      throw new GantryError(
        "conflict",
        `endpoint with name ${entry.record.name} already exists in network ${network.name}`,
        {
          id,
          network: network.id,
        },
      );
    const all = [...config.networks, attachment];
    if ("pid" in state) {
      await plug(context, entry, attachment, state.pid, { defaultGateway: false });
      route(context, entry, all);
    }
    await saveNetworks(context, entry, all);
  });
}

/** Leaves a network. Throws `not-found` when it is not joined; `force` forgives that. */
export function disconnectContainer(
  context: EngineContext,
  id: string,
  reference: string,
  force: boolean,
): Promise<void> {
  return context.serial.run(id, async () => {
    const entry = context.registry.entry(id);
    const { config } = entry.record;
    const networkId = context.networks.find(reference)?.id ?? reference;
    const left = config.networks.filter((each) => !isOf(context, each, networkId));
    if (left.length === config.networks.length) {
      if (force) return;
      throw new GantryError("not-found", `container ${id} is not connected to network ${reference}`, { id });
    }
    const endpoint = entry.endpoints.find((each) => each.networkId === networkId);
    if (endpoint) {
      await unplug(context, entry, endpoint, { live: true });
      route(context, entry, left);
    }
    await saveNetworks(context, entry, left);
  });
}

function isOf({ networks }: EngineContext, { network }: NetworkAttachment, id: string): boolean {
  return network === id || networks.find(network)?.id === id;
}

/** A container without a network, or with one, becomes one of the other kind by what it joins and leaves. */
async function saveNetworks(
  context: EngineContext,
  entry: Entry,
  networks: readonly NetworkAttachment[],
): Promise<void> {
  const { config } = entry.record;
  const kind = networks.length > 0 ? "new" : config.namespaces.network.kind;
  const namespaces = kind === "new" ? { ...config.namespaces, network: { kind } as const } : config.namespaces;
  await context.registry.saveDurably(entry, { config: { ...config, namespaces, networks } });
  if (entry.run) updateNameFiles(context, entry);
}
