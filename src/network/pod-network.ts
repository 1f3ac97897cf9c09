import type { Duplex } from "node:stream";
import type { Network, NetworkConfig, Networks } from "./networks.ts";

/**
 * The pods' network is one more bridge among `Networks`, so that a pod's sandbox is plugged in by the engine exactly as a Docker
 * container is (while its mounts are made), host ports are published ports, and reconcile and rules are written once. It differs in
 * options only: hidden from Docker's lists, no masquerade within the cluster, no isolation from services.
 */
export const POD_NETWORK = "gantry-pods";

/** Network options that only Gantry itself sets (`docker network create` refuses them by name). */
export const OPTION_HIDDEN = "gantry.hidden";
/** Comma-separated ranges whose traffic keeps its source address. */
export const OPTION_NO_MASQUERADE = "gantry.no-masquerade";

export interface PodNetworkOptions {
  /** This node's share of the pod range: 10.244.0.0/24. The gateway is its first address. */
  readonly podCidr: string;
  /** Of two families: its share of the pods' IPv6 range. */
  readonly podCidr6?: string | undefined;
  /** All pods' and all services' ranges: not masqueraded. */
  readonly clusterCidrs: readonly string[];
  readonly bridgeName: string;
}

/**
 * Makes the pods' network, or finds it as it was; with another range it is made anew, unless pods are on it: then it stays until none is.
 */
export async function ensurePodNetwork(networks: Networks, options: PodNetworkOptions): Promise<Network> {
  const found = networks.find(POD_NETWORK);
  if (found && !isOutdated(networks, found, options)) return found;
  if (found) await networks.remove(found.id);
  return networks.create(hiddenNetwork(POD_NETWORK, [options.podCidr, options.podCidr6], options));
}

function isOutdated(
  networks: Networks,
  { id, ipam }: Network,
  { podCidr, podCidr6 }: Pick<PodNetworkOptions, "podCidr" | "podCidr6">,
): boolean {
  return (
    (ipam[0]?.subnet !== podCidr || ipam[1]?.subnet !== podCidr6) && networks.endpoints({ networkId: id }).length === 0
  );
}

/** The network between this machine and the nodes that have a network namespace on it: each reaches the others by way of the machine. */
export const NODE_NETWORK = "gantry-nodes";

export async function ensureNodeNetwork(
  networks: Networks,
  options: {
    readonly nodeCidr: string;
    readonly nodeCidr6?: string | undefined;
    readonly clusterCidrs: readonly string[];
    readonly bridgeName: string;
  },
): Promise<Network> {
  const found = networks.find(NODE_NETWORK);
  const { nodeCidr: podCidr, nodeCidr6: podCidr6 } = options;
  if (found && !isOutdated(networks, found, { podCidr, podCidr6 })) return found;
  if (found) await networks.remove(found.id);
  return networks.create(hiddenNetwork(NODE_NETWORK, [podCidr, podCidr6], options));
}

function hiddenNetwork(
  name: string,
  subnets: readonly (string | undefined)[],
  { bridgeName, clusterCidrs }: Pick<PodNetworkOptions, "bridgeName" | "clusterCidrs">,
): NetworkConfig {
  return {
    name,
    driver: "bridge",
    internal: false,
    attachable: false,
    enableIPv6: subnets[1] !== undefined,
    ipam: subnets.flatMap((subnet) => (subnet === undefined ? [] : [{ subnet }])),
    options: {
      "com.docker.network.bridge.name": bridgeName,
      [OPTION_HIDDEN]: "true",
      [OPTION_NO_MASQUERADE]: clusterCidrs.join(","),
    },
    labels: {},
  };
}

/** Opens a TCP connection from inside a network namespace (port forwarding to a pod's loopback). */
export type DialInside = (pid: number, port: number) => Promise<Duplex>;
