/**
 * Which pods may speak to which, by nf_tables alone: a table of its own, in which every isolated pod is an element that leads to a chain
 * of what is allowed. Chains are named after what they say, so that pods alike share one; peers are elements of sets. A change of one pod or
 * policy is one transaction of the elements and chains that it touches.
 */
import { systemClock, type Clock } from "#base/clock.ts";
import { silentLogger, type Logger } from "#base/logger.ts";
import { openNftables } from "#linux/nftables.ts";
import { isSyscallError } from "#linux/syscalls.ts";
import { guardRules } from "./bridge/guard-rules.ts";
import { tableKeeper } from "./bridge/table-keeper.ts";
import { tableName } from "./open-networks.ts";
import { policyChains, policyDifference, wholePolicyTable } from "./policies/policy-table.ts";
import { withinNetns } from "./within.ts";

export interface PortMatch {
  readonly protocol: "tcp" | "udp" | "sctp";
  /** Both included; undefined: every port. */
  readonly ports: { readonly from: number; readonly to: number } | undefined;
}

export interface AddressBlock {
  readonly cidr: string;
  readonly except: readonly string[];
}

/** One kind of traffic that is allowed. */
export interface AllowedTraffic {
  /** Whom a pod may hear from, or speak to. */
  readonly peers: "everybody" | { readonly block: AddressBlock } | { readonly set: string };
  /** Empty: everything, not only what has ports. Ignored for a set of addresses with ports. */
  readonly ports: readonly PortMatch[];
}

/** `address`, or `address protocol port` in a set whose peers have a port of their own. */
export interface PeerSet {
  readonly withPorts: boolean;
  readonly elements: ReadonlySet<string>;
}

export interface PolicyTable {
  /** By name: of letters, digits and dashes, at most 31. */
  readonly sets: ReadonlyMap<string, PeerSet>;
  /** What may come to an isolated pod, and what may leave it, by its address. Others are not isolated. */
  readonly ingress: ReadonlyMap<string, readonly AllowedTraffic[]>;
  readonly egress: ReadonlyMap<string, readonly AllowedTraffic[]>;
}

export const NO_POLICIES: PolicyTable = { sets: new Map(), ingress: new Map(), egress: new Map() };

export interface PolicyRules {
  /** Makes the rules be these. What has not changed keeps its identity, and costs nothing. All or nothing. Throws SyscallError. */
  apply(table: PolicyTable): void;
  /** Removes the table from the host. */
  remove(): void;
  /** Stops watching over the rules; they stay. */
  close(): void;
}

export interface PolicyRulesOptions {
  readonly instance: string;
  /** Where the namespace of the host is mounted whose rules these are; this machine's by default. */
  readonly netns?: string | undefined;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** Nothing is on the host before the first `apply`; what an earlier run left is replaced by it. */
export function openPolicyRules(options: PolicyRulesOptions): PolicyRules {
  const { logger = silentLogger, clock = systemClock } = options;
  const within = withinNetns(options.netns);
  const nft = within(openNftables);
  let current = NO_POLICIES;
  const keeper = tableKeeper(
    nft,
    `${tableName(options.instance)}-policies`,
    {
      whole: (table, family) => wholePolicyTable(table, family, current),
      chains: (family) => policyChains(family, current),
    },
    logger,
  );
  const unwatch = guardRules(keeper, clock, logger, within);
  return {
    apply(next) {
      const before = current;
      current = next;
      try {
        keeper.apply((table, family) => policyDifference(table, family, before, next));
      } catch (error) {
        if (!isSyscallError(error)) throw error;
        // The table was not as we left it.
        keeper.restore();
      }
    },
    remove() {
      unwatch();
      keeper.remove();
    },
    close() {
      unwatch();
      nft.close();
    },
  };
}
