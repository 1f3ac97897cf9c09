import type { Duplex } from "node:stream";
import type { Network, Networks } from "./networks.ts";

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
  /** All pods' and all services' ranges: not masqueraded. */
  readonly clusterCidrs: readonly string[];
  readonly bridgeName: string;
}

/** Makes the pods' network, or finds it as it was. Throws `conflict` when it is there with another range. */
export async function ensurePodNetwork(networks: Networks, options: PodNetworkOptions): Promise<Network> {
  const found = networks.find(POD_NETWORK);
  if (found) return found;
  return networks.create({
    name: POD_NETWORK,
    driver: "bridge",
    internal: false,
    attachable: false,
    enableIPv6: false,
    ipam: [{ subnet: options.podCidr }],
    options: {
      "com.docker.network.bridge.name": options.bridgeName,
      [OPTION_HIDDEN]: "true",
      [OPTION_NO_MASQUERADE]: options.clusterCidrs.join(","),
    },
    labels: {},
  });
}

/** Opens a TCP connection from inside a network namespace (port forwarding to a pod's loopback). */
export type DialInside = (pid: number, port: number) => Promise<Duplex>;
