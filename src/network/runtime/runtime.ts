/** What the parts of an opened `Networks` share. */
import { readFileSync } from "node:fs";
import type { Clock } from "#base/clock.ts";
import type { Logger } from "#base/logger.ts";
import type { Random } from "#base/random.ts";
import type { Nftables } from "#linux/nftables.ts";
import type { Rtnetlink } from "#linux/rtnetlink.ts";
import type { AddressPool } from "../addresses/address-pool.ts";
import type { HostPorts } from "../bridge/host-ports.ts";
import type { HostRules } from "../bridge/host-rules.ts";
import type { LinkReaper } from "../bridge/link-reaper.ts";
import type { SwitchedOn } from "../bridge/forwarding.ts";
import type { BridgeOptions } from "../definitions/options.ts";
import type { NameServers } from "../names/name-servers.ts";
import type { Network } from "../networks.ts";
import type { NetworkFiles, StoredEndpoint } from "../state/network-files.ts";

export interface LiveNetwork {
  readonly network: Network;
  /** Only bridge networks have what follows. */
  readonly bridge?: LiveBridge;
}

export interface LiveBridge {
  readonly name: string;
  readonly options: BridgeOptions;
  readonly ipv4: AddressPool;
  readonly ipv6?: AddressPool;
}

export interface Runtime {
  readonly instance: string;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  readonly rtnetlink: Rtnetlink;
  readonly nft: Nftables;
  readonly rules: HostRules;
  readonly ports: HostPorts;
  readonly reaper: LinkReaper;
  readonly files: NetworkFiles;
  readonly names: NameServers;
  /** By network id. */
  readonly networks: Map<string, LiveNetwork>;
  /** By endpoint id. */
  readonly endpoints: Map<string, StoredEndpoint>;
  switchedOn: SwitchedOn;
}

/** Writes the networks down. */
export function saveNetworks({ files, networks, switchedOn }: Runtime): void {
  files.saveNetworks({
    networks: Array.from(networks.values(), ({ network }) => network),
    switchedOn,
    bootId: bootId(),
  });
}

/** Changes with every start of the machine. */
export function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

export function endpointsOf(
  { endpoints }: Pick<Runtime, "endpoints">,
  filter: { owner?: string; networkId?: string },
): StoredEndpoint[] {
  return Array.from(endpoints.values()).filter(
    ({ owner, networkId }) => owner === (filter.owner ?? owner) && networkId === (filter.networkId ?? networkId),
  );
}
