/** Container networks of one Gantry on this host: see networks.ts for what they do. */
import { systemClock, type Clock } from "#base/clock.ts";
import { silentLogger, type Logger } from "#base/logger.ts";
import { systemRandom, type Random } from "#base/random.ts";
import { openNftables } from "#linux/nftables.ts";
import { openRtnetlink } from "#linux/rtnetlink.ts";
import { disableForwarding, verifyForwarding } from "./bridge/forwarding.ts";
import { hostPorts } from "./bridge/host-ports.ts";
import { guardRules } from "./bridge/guard-rules.ts";
import { hostRules } from "./bridge/host-rules.ts";
import { linkReaper } from "./bridge/link-reaper.ts";
import { nameServers, type NameNetwork } from "./names/name-servers.ts";
import type { Networks } from "./networks.ts";
import { hostResolvConf } from "./resolv-conf.ts";
import { attach, detach, renameEndpoint } from "./runtime/attach.ts";
import { createNetwork, findNetwork, PREDEFINED, removeNetwork, requireNetwork } from "./runtime/definitions.ts";
import { ensurePredefined, type DefaultBridge } from "./runtime/predefined.ts";
import { reconcile, removeLostBridges, restoreEndpoints, restoreNetworks } from "./runtime/reconcile.ts";
import { endpointsOf, saveNetworks, type Runtime } from "./runtime/runtime.ts";
import { networkFiles } from "./state/network-files.ts";

export interface NetworksOptions {
  /** Where definitions and endpoints are kept; made 0700. */
  readonly stateDir: string;
  /** "" for the machine's own Gantry; else a tag of at most 6 characters: see base/places.ts. */
  readonly instance: string;
  readonly defaultBridge: DefaultBridge;
  readonly logger?: Logger;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Name servers that containers' queries go to; by default those of the host's resolv.conf, read at each query. */
  readonly hostServers?: () => readonly string[];
}

/** The table of rules that an instance has in each family. */
export function tableName(instance: string): string {
  return instance === "" ? "gantry" : `gantry-${instance}`;
}

/**
 * Opens the networks: makes or repairs bridges and rules, and takes endpoints over from before a restart (`reconcile` then
 * says which of them live). Throws `conflict` when a link of the default bridge's name is somebody else's.
 */
export async function openNetworks(options: NetworksOptions): Promise<Networks> {
  const runtime = makeRuntime(options);
  runtime.rules.restore();
  restoreNetworks(runtime);
  removeLostBridges(runtime);
  restoreEndpoints(runtime);
  ensurePredefined(runtime, options.defaultBridge);
  const verify = (): boolean => {
    const rules = runtime.rules.verify();
    return verifyForwarding(runtime.switchedOn, runtime.nft) || rules;
  };
  const unwatch = guardRules({ verify }, runtime.clock, runtime.logger);
  return {
    create: async (config) => createNetwork(runtime, config),
    remove: async (id) => removeNetwork(runtime, id),
    list: () => Array.from(runtime.networks.values(), ({ network }) => network),
    find: (reference) => findNetwork(runtime, reference)?.network,
    attach: async (request) => attach(runtime, request),
    async detach(owner, networkId, options) {
      const { network } = requireNetwork(runtime, networkId);
      for (const endpoint of endpointsOf(runtime, { owner, networkId: network.id })) detach(runtime, endpoint);
      if (options?.live) await runtime.reaper.flush();
    },
    rename: (owner, name) =>
      endpointsOf(runtime, { owner }).forEach((endpoint) => renameEndpoint(runtime, endpoint, name)),
    endpoints: (filter) => endpointsOf(runtime, filter),
    reconcile: (liveOwners) => reconcile(runtime, liveOwners),
    async close() {
      unwatch();
      if (runtime.endpoints.size === 0) await dismantle(runtime);
      runtime.names.close();
      runtime.ports.releaseAll();
      await runtime.reaper.flush();
      runtime.rtnetlink.close();
      runtime.nft.close();
    },
    async dismantle() {
      unwatch();
      await dismantle(runtime);
    },
  };
}

function makeRuntime(options: NetworksOptions): Runtime {
  const { instance, logger = silentLogger, clock = systemClock, random = systemRandom } = options;
  const rtnetlink = openRtnetlink();
  const nft = openNftables();
  const networks: Runtime["networks"] = new Map();
  const endpoints: Runtime["endpoints"] = new Map();
  const of = (filter: { owner?: string; networkId?: string }) => endpointsOf({ endpoints }, filter);
  const names = nameServers({
    networksOf: (owner) =>
      of({ owner }).flatMap(({ networkId }): NameNetwork[] => {
        const live = networks.get(networkId);
        if (!live) return [];
        const { id, name, internal } = live.network;
        const named = live.bridge !== undefined && !live.bridge.options.hidden && !PREDEFINED.has(name);
        return [{ id, name, internal, named, endpoints: of({ networkId }) }];
      }),
    endpointsOf: (owner) => of({ owner }),
    hostServers: options.hostServers ?? (() => hostResolvConf().nameservers),
    clock,
    random,
    logger,
  });
  return {
    instance,
    logger,
    clock,
    random,
    rtnetlink,
    nft,
    rules: hostRules(nft, tableName(instance), logger),
    ports: hostPorts(),
    reaper: linkReaper(rtnetlink, clock, Math.floor(random.next() * 0x3fffffff) + 1, logger),
    files: networkFiles(options.stateDir, logger),
    names,
    networks,
    endpoints,
    switchedOn: {},
  };
}

async function dismantle(runtime: Runtime): Promise<void> {
  for (const endpoint of Array.from(runtime.endpoints.values())) detach(runtime, endpoint);
  await runtime.reaper.flush();
  for (const { bridge } of runtime.networks.values()) if (bridge) runtime.rtnetlink.deleteLink(bridge.name);
  runtime.rules.remove();
  const own = tableName(runtime.instance);
  disableForwarding(runtime.nft, (name) => name === own || name === `${own}-services`);
  runtime.switchedOn = {};
  saveNetworks(runtime);
}
