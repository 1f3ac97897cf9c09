import { GantryError, isGantryError } from "#base/errors.ts";
import type { Endpoint, Network } from "#network/networks.ts";
import type { NetworkAttachment } from "../engine.ts";
import type { EngineContext } from "./context.ts";
import type { Entry } from "./entry.ts";
import { gatewayOrder } from "./gateway-order.ts";

type Context = Pick<EngineContext, "networks" | "events">;

/** Plugs a container's namespace into its networks, in order: eth0 is the first's. */
export async function plugAll(context: Context, entry: Entry, pid: number): Promise<void> {
  const { networks } = entry.record.config;
  const isOnly = networks.length === 1;
  try {
    for (const attachment of networks) await plug(context, entry, attachment, pid, { defaultGateway: isOnly });
    if (!isOnly) route(context, entry, networks);
  } catch (error) {
    if (!isGantryError(error)) throw error;
    throw new GantryError(error.code, `failed to set up container networking: ${error.message}`, error.details, error);
  }
}

/** Leads the default routes of a running container as its networks want it. */
export function route({ networks }: Context, { id }: Entry, attachments: readonly NetworkAttachment[]): void {
  networks.route(
    id,
    gatewayOrder(attachments, (reference) => networks.find(reference)),
  );
}

/** Plugs it into one network. Throws `not-found` for an unknown one, `conflict` for an address or port in use. */
export async function plug(
  context: Context,
  entry: Entry,
  attachment: NetworkAttachment,
  pid: number,
  { defaultGateway }: { readonly defaultGateway: boolean },
): Promise<Endpoint> {
  const network = networkOf(context, attachment.network);
  const { dns } = entry.record.config;
  const endpoint = await context.networks.attach({
    owner: entry.id,
    name: entry.record.name,
    networkId: network.id,
    pid,
    interfaceName: attachment.interfaceName ?? freeInterface(entry.endpoints),
    ...(attachment.ipv4 !== undefined && { ipv4: attachment.ipv4 }),
    ...(attachment.ipv6 !== undefined && { ipv6: attachment.ipv6 }),
    ...(attachment.mac !== undefined && { mac: attachment.mac }),
    aliases: aliasesOf(entry, attachment),
    ...(attachment.linkLocal && { linkLocal: attachment.linkLocal }),
    ...(attachment.sysctls && { sysctls: attachment.sysctls }),
    ports: attachment.ports,
    defaultGateway,
    ...(dns && dns.servers.length > 0 && { dns: dns.servers }),
  });
  entry.endpoints = [...entry.endpoints, endpoint];
  entry.view = undefined;
  networkEvent(context, network, "connect", entry.id);
  return endpoint;
}

export async function unplugAll(context: Context, entry: Entry): Promise<void> {
  for (const endpoint of entry.endpoints) await unplug(context, entry, endpoint);
}

export async function unplug(
  context: Context,
  entry: Entry,
  endpoint: Endpoint,
  options?: { readonly live: boolean },
): Promise<void> {
  await context.networks.detach(entry.id, endpoint.networkId, options);
  entry.endpoints = entry.endpoints.filter((each) => each !== endpoint);
  entry.view = undefined;
  const network = context.networks.find(endpoint.networkId);
  if (network) networkEvent(context, network, "disconnect", entry.id);
}

export function networkOf({ networks }: Pick<EngineContext, "networks">, reference: string): Network {
  const network = networks.find(reference);
  if (network) return network;
  throw new GantryError("not-found", `network ${reference} not found`, { network: reference });
}

/** Names that resolve to the container on a network, beside its own: what the user gave, the short id, its host name. */
function aliasesOf({ id, record }: Entry, { aliases }: NetworkAttachment): string[] {
  return Array.from(new Set([...aliases, id.slice(0, 12), record.config.hostname].filter(Boolean)));
}

function freeInterface(endpoints: readonly Endpoint[]): string {
  let number = 0;
  while (endpoints.some(({ interfaceName }) => interfaceName === `eth${number}`)) number++;
  return `eth${number}`;
}

function networkEvent({ events }: Context, network: Network, action: string, container: string): void {
  events.record({
    type: "network",
    action,
    actorId: network.id,
    attributes: { container, name: network.name, type: network.driver },
  });
}
