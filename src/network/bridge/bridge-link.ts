/** The bridge of a network, on the host: made, repaired after a restart, removed. */
import { GantryError } from "#base/errors.ts";
import { isSyscallError } from "#linux/syscalls.ts";
import type { Link, Rtnetlink } from "#linux/rtnetlink.ts";
import { BRIDGE_GROUP } from "./forwarding.ts";
import { readSysctl, writeSysctl } from "./sysctl.ts";

export interface BridgeLink {
  readonly name: string;
  /** `gantry:<instance>:<network id>`: says whose it is. */
  readonly alias: string;
  readonly mtu: number;
  /** The bridge's own addresses. */
  readonly addresses: readonly { readonly address: string; readonly prefixLength: number }[];
  readonly ipv6: boolean;
  /** Published ports are reached from localhost: see rule-table.ts. */
  readonly localnet: boolean;
}

export function bridgeAlias(instance: string, networkId: string): string {
  return `gantry:${instance}:${networkId}`;
}

/** Makes the bridge, or sets right what is there of it. Throws `conflict` when the name is somebody else's. */
export function ensureBridge(rtnetlink: Rtnetlink, wanted: BridgeLink): Link {
  const found = rtnetlink.link(wanted.name);
  if (found && (found.kind !== "bridge" || found.alias !== wanted.alias)) {
    throw new GantryError("conflict", `a link named ${wanted.name} exists already and is not this network's bridge`);
  }
  if (!found) {
    rtnetlink.addBridge({ name: wanted.name, mtu: wanted.mtu, group: BRIDGE_GROUP, alias: wanted.alias });
  }
  const link = rtnetlink.link(wanted.name);
  if (!link) throw new GantryError("internal", `the bridge ${wanted.name} has gone`);
  configure(wanted);
  addAddresses(rtnetlink, link.index, wanted);
  rtnetlink.setLink(link.index, { up: true, mtu: wanted.mtu });
  return link;
}

function configure({ name, ipv6, localnet }: BridgeLink): void {
  const ipv4 = `ipv4/conf/${name}`;
  writeSysctl(`${ipv4}/route_localnet`, localnet ? "1" : "0");
  // Pods reach each other by way of the host, which must not tell them of a shorter one. The kernel asks both settings; every
  // other link keeps its own, so that only links that are told so stop.
  writeSysctl(`${ipv4}/send_redirects`, "0");
  if (readSysctl("ipv4/conf/all/send_redirects") === "1") writeSysctl("ipv4/conf/all/send_redirects", "0");
  writeSysctl(`${ipv4}/forwarding`, "1");
  // Containers must not tell the host where its routers are (CVE-2020-13401).
  writeSysctl(`ipv6/conf/${name}/accept_ra`, "0");
  writeSysctl(`ipv6/conf/${name}/disable_ipv6`, ipv6 ? "0" : "1");
}

function addAddresses(rtnetlink: Rtnetlink, link: number, { addresses }: BridgeLink): void {
  for (const address of addresses) {
    try {
      rtnetlink.addAddress({ link, ...address });
    } catch (error) {
      if (!isSyscallError(error, "EEXIST")) throw error;
    }
  }
}
