/** From a network's definition to what it is on the host: options, pools, bridge, rules. */
import { GantryError } from "#base/errors.ts";
import { addressPool, type AddressPool } from "../addresses/address-pool.ts";
import { parsePrefix, prefixText } from "../addresses/prefix.ts";
import { bridgeAlias, ensureBridge } from "../bridge/bridge-link.ts";
import { enableForwarding } from "../bridge/forwarding.ts";
import type { BridgeRules, RuleFamily } from "../bridge/rule-model.ts";
import { bridgeOptions } from "../definitions/options.ts";
import type { Network } from "../networks.ts";
import { saveNetworks, type LiveBridge, type LiveNetwork, type Runtime } from "./runtime.ts";

/** Pure: a definition with its ranges resolved becomes pools to take addresses from. */
export function liveNetwork(network: Network): LiveNetwork {
  if (network.driver !== "bridge") return { network };
  const pools = network.ipam.map(poolOf);
  const ipv4 = pools.find(({ subnet }) => subnet.family === 4);
  const ipv6 = pools.find(({ subnet }) => subnet.family === 6);
  if (!ipv4 || network.bridge === undefined)
    throw new GantryError("internal", `network ${network.name} has no IPv4 range or no bridge`);
  const options = bridgeOptions(network);
  return { network, bridge: { name: network.bridge, options, ipv4, ...(ipv6 ? { ipv6 } : {}) } };
}

function poolOf(range: Network["ipam"][number]): AddressPool {
  return addressPool({
    subnet: parsePrefix(range.subnet),
    gateway: range.gateway ?? "",
    reserved: Object.values(range.auxAddresses ?? {}),
    ...(range.ipRange ? { range: parsePrefix(range.ipRange) } : {}),
  });
}

/** Makes the bridge, switches forwarding on, and adds the rules. */
export function bringUp(runtime: Runtime, { network, bridge }: LiveNetwork): void {
  if (!bridge) return;
  ensureNetworkBridge(runtime, network, bridge);
  if (!network.internal) {
    const families: readonly RuleFamily[] = bridge.ipv6 ? ["ip", "ip6"] : ["ip"];
    for (const family of families) {
      const switched = enableForwarding(family, runtime.nft, runtime.rtnetlink);
      if (Object.keys(switched).length === 0) continue;
      runtime.switchedOn = { ...runtime.switchedOn, ...switched };
      saveNetworks(runtime);
    }
  }
  runtime.rules.addNetwork(bridgeRules(network, bridge));
}

function ensureNetworkBridge({ rtnetlink, instance }: Runtime, network: Network, bridge: LiveBridge): void {
  const pools = bridge.ipv6 ? [bridge.ipv4, bridge.ipv6] : [bridge.ipv4];
  ensureBridge(rtnetlink, {
    name: bridge.name,
    alias: bridgeAlias(instance, network.id),
    mtu: bridge.options.mtu,
    addresses: pools.map(({ gateway, subnet }) => ({ address: gateway, prefixLength: subnet.length })),
    ipv6: bridge.ipv6 !== undefined,
    localnet: !network.internal,
  });
}

export function bridgeRules(network: Network, { name, options, ipv4, ipv6 }: LiveBridge): BridgeRules {
  const how = options.hostAddress === undefined ? "link" : { ip: options.hostAddress };
  return {
    id: network.id,
    bridge: name,
    subnets: { ip: prefixText(ipv4.subnet), ...(ipv6 ? { ip6: prefixText(ipv6.subnet) } : {}) },
    internal: network.internal,
    icc: options.icc,
    masquerade: options.masquerade ? how : "none",
    noMasquerade: options.noMasquerade,
    open: isRouted(options),
  };
}

/** The pods' network: every address is reached by way of the host, so that services are translated both ways. */
export function isRouted({ hidden }: LiveBridge["options"]): boolean {
  return hidden;
}
