/**
 * IPv4 and IPv6 forwarding. A host that did not forward before must not become a router between its own links because
 * containers run on it: when Gantry switches forwarding on, a small table, shared by all Gantrys of the host, drops what comes
 * in over the links that were there and goes to none of Gantry's bridges, except replies and translated connections.
 */
import { change, PRIORITY, type Nftables, type SetDefinition, type Table } from "#linux/nftables.ts";
import * as r from "#linux/nft-rules.ts";
import { LOOPBACK_INDEX, type Rtnetlink } from "#linux/rtnetlink.ts";
import { RULE_FAMILIES, type RuleFamily } from "./rule-model.ts";
import { readSysctl, writeSysctl } from "./sysctl.ts";

/** The group of every bridge of every Gantry ("gant"). */
export const BRIDGE_GROUP = 0x67616e74;
const TABLE_NAME = "gantry-forwarding";
const UPLINKS: SetDefinition = { key: ["ifname"] };
const SWITCHES: Readonly<Record<RuleFamily, string>> = { ip: "ipv4/ip_forward", ip6: "ipv6/conf/all/forwarding" };

/** Names of the links that must not be routed between; by family, for those families that Gantry switched on. */
export type SwitchedOn = Partial<Record<RuleFamily, readonly string[]>>;

/** Switches forwarding on where it is off. The result is to be kept, and given to restoreForwarding after a restart. */
export function enableForwarding(family: RuleFamily, nft: Nftables, rtnetlink: Rtnetlink): SwitchedOn {
  if (readSysctl(SWITCHES[family]) !== "0") return {};
  const uplinks = rtnetlink
    .links()
    .filter(({ index, group }) => index !== LOOPBACK_INDEX && group !== BRIDGE_GROUP)
    .map(({ name }) => name);
  const switched = { [family]: uplinks };
  // The guard stands before the door opens.
  restoreForwarding(switched, nft);
  if (family === "ip6") keepRouterAdvertisements(uplinks);
  writeSysctl(SWITCHES[family], "1");
  return switched;
}

/** Puts the table back. */
export function restoreForwarding(switched: SwitchedOn, nft: Nftables): void {
  for (const family of RULE_FAMILIES) {
    const uplinks = switched[family];
    if (!uplinks) continue;
    const table: Table = { family, name: TABLE_NAME };
    nft.apply([
      change.addTable(table),
      change.deleteTable(table),
      change.addTable(table),
      change.addSet(table, "uplinks", UPLINKS),
      ...change.addElements(
        table,
        "uplinks",
        UPLINKS,
        uplinks.map((link) => ({ key: [link] })),
      ),
      change.addChain(table, "forward", { type: "filter", at: "forward", priority: PRIORITY.filter }),
      change.addRule(table, "forward", [
        r.isIn([r.iifname], "uplinks"),
        r.isNot(r.oifgroup, BRIDGE_GROUP),
        r.hasNone(r.ctState, r.CT_ESTABLISHED | r.CT_RELATED),
        r.hasNone(r.ctStatus, r.CT_DNAT),
        r.drop(),
      ]),
    ]);
  }
}

/** Puts the table back when somebody removed it; true when it had to. */
export function verifyForwarding(switched: SwitchedOn, nft: Nftables): boolean {
  const lost = RULE_FAMILIES.some((family) => switched[family] && !nft.chains({ family, name: TABLE_NAME }));
  if (lost) restoreForwarding(switched, nft);
  return lost;
}

/** Switches forwarding off again and removes the table, unless another Gantry is there. `own`: names of our tables. */
export function disableForwarding(nft: Nftables, own: (name: string) => boolean): void {
  const tables = nft.tables().filter(({ name }) => name === "gantry" || name.startsWith("gantry-"));
  if (tables.some(({ name }) => name !== TABLE_NAME && !own(name))) return;
  for (const table of tables) {
    if (table.name !== TABLE_NAME || (table.family !== "ip" && table.family !== "ip6")) continue;
    writeSysctl(SWITCHES[table.family], "0");
    nft.apply([change.deleteTable(table)]);
  }
}

/** A forwarding host ignores router advertisements, and so loses its own IPv6 address, unless told otherwise (accept_ra 2). */
function keepRouterAdvertisements(links: readonly string[]): void {
  for (const link of links) {
    if (readSysctl(`ipv6/conf/${link}/accept_ra`) === "1") writeSysctl(`ipv6/conf/${link}/accept_ra`, "2");
  }
}
