/** Docker's networks that are always there: bridge, host, none. */
import { GantryError } from "#base/errors.ts";
import { parseCidr, prefixText } from "../addresses/prefix.ts";
import {
  OPTION_BRIDGE_NAME,
  OPTION_DEFAULT_BRIDGE,
  OPTION_HOST_BINDING,
  OPTION_ICC,
  OPTION_MASQUERADE,
  OPTION_MTU,
} from "../definitions/options.ts";
import type { NetworkConfig } from "../networks.ts";
import { addNetwork, findNetwork } from "./definitions.ts";
import { endpointsOf, saveNetworks, type Runtime } from "./runtime.ts";

export interface DefaultBridge {
  /** Name of the link. */
  readonly name: string;
  /** The bridge's own address in its range, as dockerd's `--bip`: `172.17.0.1/16`. */
  readonly address: string;
}

/** Adds those that are missing; the default bridge again when its name or range was changed and nobody is on it. */
export function ensurePredefined(runtime: Runtime, bridge: DefaultBridge): void {
  const wanted = [bridgeConfig(bridge), plainConfig("host", "host"), plainConfig("none", "null")];
  for (const config of wanted) {
    const found = findNetwork(runtime, config.name);
    if (found && (found.network.driver !== "bridge" || isSame(found.network, config))) continue;
    if (found && endpointsOf(runtime, { networkId: found.network.id }).length > 0) {
      runtime.logger.warn({ network: config.name }, "the default bridge keeps its range until no container is on it");
      continue;
    }
    if (found) {
      if (found.bridge) runtime.rtnetlink.deleteLink(found.bridge.name);
      runtime.networks.delete(found.network.id);
      saveNetworks(runtime);
    }
    addNetwork(runtime, config);
  }
}

function isSame(network: NetworkConfig, wanted: NetworkConfig): boolean {
  const [a, b] = [network.ipam[0], wanted.ipam[0]];
  const sameName = network.options[OPTION_BRIDGE_NAME] === wanted.options[OPTION_BRIDGE_NAME];
  return sameName && a?.subnet === b?.subnet && a?.gateway === b?.gateway;
}

function bridgeConfig({ name, address }: DefaultBridge): NetworkConfig {
  const cidr = parseCidr(address);
  if (!cidr || cidr.prefix.family !== 4)
    throw new GantryError("invalid", `the default bridge's address "${address}" is no IPv4 CIDR block`);
  const gateway = address.split("/")[0] ?? "";
  return {
    ...plainConfig("bridge", "bridge"),
    ipam: [{ subnet: prefixText(cidr.prefix), gateway }],
    options: {
      [OPTION_DEFAULT_BRIDGE]: "true",
      [OPTION_ICC]: "true",
      [OPTION_MASQUERADE]: "true",
      [OPTION_HOST_BINDING]: "0.0.0.0",
      [OPTION_BRIDGE_NAME]: name,
      [OPTION_MTU]: "1500",
    },
  };
}

function plainConfig(name: string, driver: NetworkConfig["driver"]): NetworkConfig {
  return { name, driver, internal: false, attachable: false, enableIPv6: false, ipam: [], options: {}, labels: {} };
}
