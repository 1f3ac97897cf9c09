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
import { routeThrough } from "./runtime/default-route.ts";
import { createNetwork, findNetwork, PREDEFINED, removeNetwork, requireNetwork } from "./runtime/definitions.ts";
import { ensurePredefined, type DefaultBridge } from "./runtime/predefined.ts";
import { reconcile, removeLostBridges, restoreEndpoints, restoreNetworks } from "./runtime/reconcile.ts";
import { endpointsOf, saveNetworks, type Runtime } from "./runtime/runtime.ts";
import { networkFiles } from "./state/network-files.ts";
import { withinNetns, type Within } from "./within.ts";

export interface NetworksOptions {
  /** Where definitions and endpoints are kept; made 0700. */
  readonly stateDir: string;
  /** "" for the machine's own Gantry; else a tag of at most 6 characters: see base/places.ts. */
  readonly instance: string;
  /** Without it, Docker's own networks (bridge, host, none) are not made. */
  readonly defaultBridge?: DefaultBridge;
  /** Where the namespace of the host is mounted on which the networks are: a node on this machine; this machine itself by default. */
  readonly netns?: string;
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
  const within = withinNetns(options.netns);
  const runtime = within(() => openRuntime(options, within));
  const verify = (): boolean => {
    const rules = runtime.rules.verify();
    return verifyForwarding(runtime.switchedOn, runtime.nft) || rules;
  };
  const unwatch = guardRules({ verify }, runtime.clock, runtime.logger, within);
  return {
    create: async (config) => within(() => createNetwork(runtime, config)),
    remove: async (id) => within(() => removeNetwork(runtime, id)),
    list: () => Array.from(runtime.networks.values(), ({ network }) => network),
    find: (reference) => findNetwork(runtime, reference)?.network,
    attach: async (request) => within(() => attach(runtime, request)),
    async detach(owner, networkId, options) {
      const { network } = requireNetwork(runtime, networkId);
      within(() =>
        endpointsOf(runtime, { owner, networkId: network.id }).forEach((endpoint) => detach(runtime, endpoint)),
      );
      if (options?.live) await runtime.reaper.flush();
    },
    route: (owner, order) => within(() => routeThrough(runtime, owner, order)),
    rename: (owner, name) =>
      endpointsOf(runtime, { owner }).forEach((endpoint) => renameEndpoint(runtime, endpoint, name)),
    endpoints: (filter) => endpointsOf(runtime, filter),
    setCut: (owner, isCut) =>
      within(() =>
        endpointsOf(runtime, { owner }).forEach(({ hostLink }) => {
          const link = runtime.rtnetlink.link(hostLink);
          if (link) runtime.rtnetlink.setLink(link.index, { up: !isCut });
        }),
      ),
    async reconcile(liveOwners) {
      within(() => reconcile(runtime, liveOwners));
      await runtime.reaper.flush();
    },
    async close() {
      unwatch();
      if (runtime.endpoints.size === 0) await dismantle(runtime, within);
      runtime.names.close();
      runtime.ports.releaseAll();
      await runtime.reaper.flush();
      runtime.rtnetlink.close();
      runtime.nft.close();
    },
    async dismantle() {
      unwatch();
      await dismantle(runtime, within);
    },
  };
}

function openRuntime(options: NetworksOptions, within: Within): Runtime {
  const runtime = makeRuntime(options, within);
  runtime.rules.restore();
  restoreNetworks(runtime);
  removeLostBridges(runtime);
  restoreEndpoints(runtime);
  if (options.defaultBridge) ensurePredefined(runtime, options.defaultBridge);
  return runtime;
}

function makeRuntime(options: NetworksOptions, within: Within): Runtime {
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
    reaper: linkReaper(rtnetlink, clock, Math.floor(random.next() * 0x3fffffff) + 1, logger, within),
    files: networkFiles(options.stateDir, logger),
    names,
    networks,
    endpoints,
    switchedOn: {},
  };
}

async function dismantle(runtime: Runtime, within: Within): Promise<void> {
  within(() => Array.from(runtime.endpoints.values()).forEach((endpoint) => detach(runtime, endpoint)));
  await runtime.reaper.flush();
  within(() => {
    for (const { bridge } of runtime.networks.values()) if (bridge) runtime.rtnetlink.deleteLink(bridge.name);
    runtime.rules.remove();
    const own = tableName(runtime.instance);
    disableForwarding(runtime.nft, (name) => [own, `${own}-services`, `${own}-policies`].includes(name));
    runtime.switchedOn = {};
    saveNetworks(runtime);
  });
}
