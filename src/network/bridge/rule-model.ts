/** What the rules on the host say, as values: which bridges there are and which ports are published. */

export interface BridgeRules {
  /** Of the network; names its chain. */
  readonly id: string;
  readonly bridge: string;
  /** The bridge's range of each family it has: `172.18.0.0/16`. */
  readonly subnets: { readonly ip?: string; readonly ip6?: string };
  /** No way out and none in. */
  readonly internal: boolean;
  /** Containers on the bridge reach each other. */
  readonly icc: boolean;
  /** How the source address of what leaves is replaced: by the outgoing link's, by a fixed one, or not at all. */
  readonly masquerade: "link" | "none" | { readonly ip: string };
  /** Destinations (ranges) that see the container's own address. */
  readonly noMasquerade: readonly string[];
  /** Anybody may connect to its addresses (pods), and a container's own address stays on its way within the bridge. */
  readonly open: boolean;
}

export interface PublishedPort {
  readonly protocol: "tcp" | "udp" | "sctp";
  /** "0.0.0.0" or "::" for every address of the host. */
  readonly hostAddress: string;
  readonly hostPort: number;
  readonly address: string;
  readonly containerPort: number;
}

export type RuleFamily = "ip" | "ip6";

export const RULE_FAMILIES: readonly RuleFamily[] = ["ip", "ip6"];

export function familyOf(address: string): RuleFamily {
  return address.includes(":") ? "ip6" : "ip";
}

/** Every address of the host. */
export function isAny(address: string): boolean {
  return address === "0.0.0.0" || address === "::";
}

/** Reached from the host itself only. */
export function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address === "::1";
}
